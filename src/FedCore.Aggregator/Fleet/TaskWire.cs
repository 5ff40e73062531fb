using System.Security.Cryptography;
using System.Text;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.SecureAggregation.Sessions;
using FedCore.Strategies;
using Google.Protobuf;

namespace FedCore.Aggregator.Fleet;

/// <summary>Tasks as they go over the wire.</summary>
internal static class TaskWire
{
    private const int IdBytes = 16;

    /// <summary>The work of a training task.</summary>
    public static TrainWork WorkOf(ClientTask task)
    {
        var work = new TrainWork
        {
            Epochs = task.Work.Epochs,
            Steps = task.Work.Steps,
            BatchSize = task.BatchSize,
            LearningRate = task.LearningRate,
            UniformWeight = task.Weighting.Uniform,
            MaxExamples = task.Weighting.MaxExamples,
            AcceptPartialWork = task.AcceptPartialWork,
        };
        if (task.ClipNorm is { } clip) work.ClipNorm = clip;
        if (task.UpdateClip is { } update) work.UpdateClip = update;
        if (task.MaxSteps is { } most) work.MaxSteps = most;
        return work;
    }

    /// <summary>The work of an exchange.</summary>
    /// <param name="task">The exchange.</param>
    /// <param name="of">The name of the task whose result is summed.</param>
    public static ExchangeWork WorkOf(ExchangeTask task, string of) => new()
    {
        OfTask = of,
        Terms = ByteString.CopyFrom(task.Terms!.Encode()),
        Stage = (ExchangeStage)(task.Stage + 1),
        Message = task.Stage == SessionStage.Advertise ? ByteString.Empty : UnsafeByteOperations.UnsafeWrap(task.Message),
    };

    /// <summary>What a task is, in a word.</summary>
    public static string KindOf(SiteTask task) => task switch
    {
        TrainTask => "train",
        EvaluateTask => "evaluate",
        _ => "exchange",
    };

    /// <summary>
    /// The task's name. It follows from what is to be done and by whom, so that a process that was restarted gives the same task the same name, and an answer to
    /// the one answers the other.
    /// </summary>
    /// <param name="run">The run.</param>
    /// <param name="plan">Its definition.</param>
    /// <param name="task">The task.</param>
    /// <param name="site">Who does it.</param>
    /// <param name="input">The digest of the model that it begins with; of an exchange, the name of the task whose result is summed.</param>
    public static string IdOf(string run, RunPlan plan, SiteTask task, string site, string input)
    {
        byte[] work = task switch
        {
            TrainTask train => WorkOf(train.Work).ToByteArray(),
            ExchangeTask exchange => WorkOf(exchange, input).ToByteArray(),
            _ => [],
        };
        (int position, int cohort) = PlaceOf(plan, task);
        string place = FormattableString.Invariant($"{run}\n{KindOf(task)}\n{task.Round}\n{position}\n{cohort}\n{site}\n{input}\n");
        return Convert.ToHexStringLower(SHA256.HashData([.. Encoding.UTF8.GetBytes(place), .. work]).AsSpan(0, IdBytes));
    }

    /// <summary>A task as it is offered.</summary>
    /// <param name="task">The task.</param>
    /// <param name="cached">The digests of models that the client has.</param>
    public static TaskOffer OfferOf(RemoteTask task, IReadOnlyCollection<ByteString> cached)
    {
        (int position, int cohort) = PlaceOf(task.Fleet.Plan, task.Task);
        var offer = new TaskOffer
        {
            TaskId = task.Id,
            RunId = task.Fleet.Run,
            Definition = task.Fleet.Definition.ToMessage(),
            Round = task.Task.Round,
            Position = position,
            CohortSize = cohort,
            DeadlineMilliseconds = task.Left is { } left ? Math.Max(1, (long)left.TotalMilliseconds) : 0,
        };
        if (task.Inputs is { } inputs) Add(inputs, offer, cached);
        switch (task.Task)
        {
            case TrainTask train:
                offer.Train = WorkOf(train.Work);
                break;
            case ExchangeTask exchange:
                offer.Exchange = WorkOf(exchange, task.Of!.Id);
                if (exchange.Stage == SessionStage.Share && task.Site.Roster.Length == 0) offer.Exchange.Identities.AddRange(task.Fleet.IdentityKeys.Select(KeyOf));
                break;
            default:
                offer.Evaluate = new EvaluateWork();
                break;
        }

        return offer;
    }

    // Whose epsilon counts with cohorts that nobody knows must not be told how large one is, or how many were drawn before.
    private static (int Position, int Cohort) PlaceOf(RunPlan plan, SiteTask task) => plan.Privacy is { HidesCohorts: true } ? (0, 1) : (task.Position, task.CohortSize);

    private static void Add(TaskInputs inputs, TaskOffer offer, IReadOnlyCollection<ByteString> cached)
    {
        offer.Model = inputs.Model.ToMessage();
        if (inputs.Model.Content is { } content && !cached.Contains(offer.Model.Digest)) offer.ModelContent = content;
        foreach ((string name, Models.StoredBlob values) in inputs.Broadcasts) offer.Broadcasts.Add(new Broadcast { Name = name, Values = values.ToMessage() });
    }

    private static SiteKey KeyOf((string Site, ReadOnlyMemory<byte> Key) identity) => new() { Site = identity.Site, Key = UnsafeByteOperations.UnsafeWrap(identity.Key) };
}
