using System.Security.Cryptography;
using System.Text;
using FedCore.Protocol.V1;
using FedCore.Rounds;
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
        if (task.MaxSteps is { } most) work.MaxSteps = most;
        return work;
    }

    /// <summary>
    /// The task's name. It follows from what is to be done and by whom, so that a process that was restarted gives the same task the same name, and an answer to
    /// the one answers the other.
    /// </summary>
    public static string IdOf(string run, SiteTask task, string site, string modelDigest)
    {
        byte[] work = task is TrainTask train ? WorkOf(train.Work).ToByteArray() : [];
        string place = FormattableString.Invariant($"{run}\n{(task is TrainTask ? "train" : "evaluate")}\n{task.Round}\n{task.Position}\n{task.CohortSize}\n{site}\n{modelDigest}\n");
        return Convert.ToHexStringLower(SHA256.HashData([.. Encoding.UTF8.GetBytes(place), .. work]).AsSpan(0, IdBytes));
    }

    /// <summary>A task as it is offered.</summary>
    /// <param name="task">The task.</param>
    /// <param name="cached">The digests of models that the client has.</param>
    public static TaskOffer OfferOf(RemoteTask task, IReadOnlyCollection<ByteString> cached)
    {
        TaskInputs inputs = task.Inputs;
        var offer = new TaskOffer
        {
            TaskId = task.Id,
            RunId = task.Fleet.Run,
            Definition = task.Fleet.Definition.ToMessage(),
            Round = task.Task.Round,
            Position = task.Task.Position,
            CohortSize = task.Task.CohortSize,
            Model = inputs.Model.ToMessage(),
            DeadlineMilliseconds = task.Left is { } left ? Math.Max(1, (long)left.TotalMilliseconds) : 0,
        };
        if (inputs.Model.Content is { } content && !cached.Contains(offer.Model.Digest)) offer.ModelContent = content;
        foreach ((string name, Models.StoredBlob values) in inputs.Broadcasts) offer.Broadcasts.Add(new Broadcast { Name = name, Values = values.ToMessage() });
        if (task.Task is TrainTask train) offer.Train = WorkOf(train.Work);
        else offer.Evaluate = new EvaluateWork();
        return offer;
    }
}
