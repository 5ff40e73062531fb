using System.Text.RegularExpressions;
using FedCore.Models;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.SecureAggregation;
using FedCore.Strategies;

namespace FedCore.Client.Tasks;

/// <summary>Looks at what an aggregator offers before it is used: names become folders, lengths become memory.</summary>
internal static partial class OfferCheck
{
    private const int DigestBytes = 32, MaxDefinitionBytes = 4 << 20, MaxHeaderBytes = 16 << 20, MaxBatch = 1 << 20, MaxTermsBytes = 4 << 10;

    /// <summary>Says why what is offered is no task, if it is none.</summary>
    public static string? FaultOf(TaskOffer offer)
    {
        if (!TaskPattern().IsMatch(offer.TaskId)) return $"its name is '{Shown.Of(offer.TaskId)}', not 32 hexadecimal digits";
        if (!RunPattern().IsMatch(offer.RunId)) return $"its run is '{Shown.Of(offer.RunId)}', which is no run's name";
        if (offer.Round < 1 || offer.Position < 0 || offer.CohortSize <= offer.Position) return $"it is for round {offer.Round}, position {offer.Position} of {offer.CohortSize}";
        bool hasModel = offer.WorkCase == TaskOffer.WorkOneofCase.Exchange || IsBlob(offer.Model, long.MaxValue);
        if (!IsBlob(offer.Definition, MaxDefinitionBytes) || !hasModel) return "it does not say where definition and model are";
        if (offer.Broadcasts.Any(broadcast => !IsBlob(broadcast.Values, long.MaxValue))) return "it does not say where the vectors are that go along with the model";
        if (offer.DeadlineMilliseconds < 0) return $"it was to be done {-offer.DeadlineMilliseconds} ms ago";
        return offer.WorkCase switch
        {
            TaskOffer.WorkOneofCase.Train => FaultOf(offer.Train),
            TaskOffer.WorkOneofCase.Evaluate => null,
            TaskOffer.WorkOneofCase.Exchange => FaultOf(offer.Exchange),
            _ => "it is for nothing that this client knows",
        };
    }

    /// <summary>Refuses what does not fit the run, before it is downloaded.</summary>
    /// <exception cref="FedCoreException">
    /// The model or a vector has another size than the run's (<c>task.size</c>), or a vector is missing; the run has no such round (<c>task.round</c>); or, where nobody but the site
    /// shall see what comes of it, the work is not what the run's definition makes of it (<c>secagg.assignment</c>).
    /// </exception>
    public static void RequireFit(TaskOffer offer, RunPlan plan)
    {
        if (offer.Round > plan.Definition.Rounds.Count) throw FedCoreException.Configuration("task.round", $"The task is of round {offer.Round}, but the run has {plan.Definition.Rounds.Count} rounds.");
        long model = plan.Model.Schema.Tensors.Sum(tensor => tensor.Length * tensor.Type.ByteSize());
        if (offer.Model.Length < model || offer.Model.Length > model + MaxHeaderBytes) throw Fault($"The model that was offered has {offer.Model.Length} bytes; one of this run has {model} and a header");
        if (offer.WorkCase != TaskOffer.WorkOneofCase.Train) return;
        if (offer.Train.HasUpdateClip != (plan.Definition.Privacy?.AdaptiveClip is not null))
            throw FedCoreException.Configuration("privacy.clip", "The task's clip for updates does not go with the run's definition: a clip that adapts stands in the task, any other in the definition.");
        if (plan.Definition.SecureAggregation is not null) RequirePlanned(offer, plan);
        long vector = plan.Model.Schema.TrainableCount * sizeof(float);
        foreach (string name in plan.Definition.Strategy.Broadcasts)
        {
            Broadcast broadcast = offer.Broadcasts.FirstOrDefault(candidate => candidate.Name == name) ?? throw Fault($"The vector '{Shown.Of(name)}' was not offered, which the run's strategy needs");
            if (broadcast.Values.Length != vector) throw Fault($"The vector '{Shown.Of(name)}' that was offered has {broadcast.Values.Length} bytes; one of this run has {vector}");
        }
    }

    // Work of which nothing comes, given to all but one, would leave that one alone in a sum.
    private static void RequirePlanned(TaskOffer offer, RunPlan plan)
    {
        ClientTask planned = plan.Definition.Strategy.Plan(new RoundContext(plan, offer.Round, offer.CohortSize), new ClientDescriptor(offer.Position, new ClientId("any")));
        if (TaskBuilder.WorkOf(offer) with { UpdateClip = null } != planned)
            throw FedCoreException.Configuration(SecureAggregationCodes.Assignment, $"The work that was offered is not what the run's definition makes of round {offer.Round}. It was {TaskBuilder.WorkOf(offer)}, not {planned}.");
    }

    private static string? FaultOf(TrainWork work)
    {
        if (work.Epochs < 0 || work.Steps < 0 || work.Epochs > 0 == work.Steps > 0) return $"it asks for {work.Epochs} passes and {work.Steps} steps; one of the two must be above 0";
        if (work.BatchSize is < 0 or > MaxBatch) return $"it asks for batches of {work.BatchSize} examples";
        if (!double.IsFinite(work.LearningRate) || work.LearningRate <= 0) return $"its learning rate is {work.LearningRate}";
        if (work.HasUpdateClip && !(work.UpdateClip > 0 && double.IsFinite(work.UpdateClip))) return $"it clips the update to {work.UpdateClip}";
        if (work.HasClipNorm && !(work.ClipNorm > 0)) return $"it clips gradients to {work.ClipNorm}";
        if (work.MaxExamples < 0) return $"it lets {work.MaxExamples} examples count";
        return work.HasMaxSteps && work.MaxSteps < 1 ? $"it allows {work.MaxSteps} steps" : null;
    }

    private static string? FaultOf(ExchangeWork work)
    {
        if (!TaskPattern().IsMatch(work.OfTask)) return $"it is about task '{Shown.Of(work.OfTask)}', not 32 hexadecimal digits";
        if (work.Stage is < ExchangeStage.Advertise or > ExchangeStage.Unmask) return $"there is no round {(int)work.Stage} of secure sums";
        return work.Terms.Length is 0 or > MaxTermsBytes ? $"its terms have {work.Terms.Length} bytes" : null;
    }

    private static bool IsBlob(Blob? blob, long maxLength) => blob is { Digest.Length: DigestBytes, Length: > 0 } && blob.Length <= maxLength;

    private static FedCoreException Fault(string what) => FedCoreException.Configuration("task.size", what + ".");

    [GeneratedRegex(@"^[0-9a-f]{32}\z")]
    private static partial Regex TaskPattern();

    [GeneratedRegex(@"^[a-z][a-z0-9-]{0,62}\z")]
    private static partial Regex RunPattern();
}
