using FedCore.Compression.Formats;
using FedCore.Compression.Sparsifiers;
using FedCore.Models;
using FedCore.Naming;
using FedCore.Rounds.Privacy;
using FedCore.Strategies;
using FedCore.Updates;

namespace FedCore.Rounds;

/// <summary>Which parts of a run do not go together, and why.</summary>
internal static class RunComposition
{
    /// <exception cref="FedCoreException">Two parts exclude each other (<c>run.composition</c>); the message says why and what to do.</exception>
    public static void Check(RunDefinition run, ModelPlan model, Registry registry)
    {
        var names = new Names(run, registry);
        if (run.Disclosures.Distinct().Count() != run.Disclosures.Count) throw Refused("disclosures names one twice. Name each once.");
        if (run.Rounds is { WorkPlanning: not null, DeadlineSeconds: null, Buffer: null })
            throw Refused("rounds.workPlanning plans what clients can finish by the deadline, but rounds.deadlineSeconds is not set. Set it, such as to 60.");
        foreach (Disclosure needed in run.Rounds.Cohort.Disclosures.Concat(run.Evaluation.Cohort?.Disclosures ?? []))
            RequireDisclosure(run, needed, "rounds.cohort chooses by what single clients do");
        if (run.SecureAggregation is null)
            foreach (Disclosure needed in run.Aggregator.Disclosures) RequireDisclosure(run, needed, $"{names.Aggregator} compares the updates of single clients");
        CheckTransforms(run, names);
        if (run.Aggregator.Disclosures.Count > 0 && run.Strategy.KeepsClientState)
        {
            throw Refused($"{names.Aggregator} leaves clients out, but the clients of {names.Strategy} keep what the server must have the mean of. Use a strategy without a state at its clients, "
                + "such as fedavg, or the aggregator weightedMean.");
        }

        if (run.Rounds.Buffer is not null) CheckBuffer(run, model, names);
        if (run.SecureAggregation is { } secure) CheckSecure(run, secure, names);
        if (run.Privacy is not null) PrivacyComposition.Check(run, model, registry);
    }

    /// <exception cref="FedCoreException">A client's weight has no bound, as it must have in a secure sum (<c>run.composition</c>).</exception>
    public static void CheckWeights(RunPlan plan)
    {
        RunDefinition run = plan.Definition;
        if (run.SecureAggregation is null || run.Strategy.HasOwnWeights) return;
        ClientTask task = run.Strategy.Plan(new RoundContext(plan, 1, 1), new ClientDescriptor(0, new ClientId("any")));
        if (task.Weighting is not { Uniform: false, MaxExamples: 0 }) return;
        throw Refused("secureAggregation sums weights that have a bound, but training.maxExamples is not set. Set it to about the examples of a large client, such as 1000, or training.weightBy to \"uniform\".");
    }

    private static void CheckBuffer(RunDefinition run, ModelPlan model, Names names)
    {
        const string buffered = "rounds.buffer lets every client start and end at a time of its own";
        if (run.Rounds.WorkPlanning is not null)
            throw Refused($"{buffered}, so nobody plans work by a deadline. Leave rounds.workPlanning and rounds.deadlineSeconds out.");
        if (run.Rounds.DeadlineSeconds is not null)
            throw Refused($"{buffered}, so there is no deadline for all. Leave rounds.deadlineSeconds out; rounds.buffer.maxStaleness limits how late an update may be.");
        if (run.Rounds.OverSelection > 0) throw Refused($"{buffered}, and waits for nobody. Set rounds.overSelection to 0.");
        if (!run.Rounds.Cohort.AllowsBuffer) throw Refused($"{buffered}, so clients are chosen one by one. Use a uniform cohort, or all.");
        if (run.Strategy.Broadcasts.Count > 0 || run.Strategy.KeepsClientState)
            throw Refused($"{buffered}, but the clients of {names.Strategy} must start a round from the same state of the server. Use fedavg, fedprox, fednova or qfedavg.");
        if (model.Schema.KeepsClientState)
            throw Refused($"{buffered}, but layers that are local are settled only when their client's update is part of the model. Make model.layers shared, or leave rounds.buffer out.");
        if (run.Transforms.FirstOrDefault(transform => transform.KeepsClientState) is { } keeping)
        {
            throw Refused($"{buffered}, but {names.Transform(keeping)} keeps at the client what an update left out, until that update is part of the model. "
                + "Set its \"errorFeedback\" to false, or use a format.");
        }
    }

    private static void CheckTransforms(RunDefinition run, Names names)
    {
        const string order = "transforms are at most one that chooses numbers and then at most one that shortens them, such as [{\"type\": \"topK\"}, {\"type\": \"int8\"}]";
        int sparsifiers = run.Transforms.Count(transform => transform is ISparsifier), formats = run.Transforms.Count(transform => transform is IValueFormat);
        if (sparsifiers > 1 || formats > 1 || sparsifiers + formats != run.Transforms.Count || (sparsifiers + formats == 2 && run.Transforms[0] is IValueFormat))
            throw Refused($"{order}. Change transforms.");
        IUpdateTransform? sparsifier = run.Transforms.FirstOrDefault(transform => transform is ISparsifier);
        if (run.Aggregator.Disclosures.Count > 0 && sparsifier is ISparsifier { IsShared: false })
        {
            throw Refused($"{names.Aggregator} compares the clients' numbers with each other, but with {names.Transform(sparsifier)} each client sends other numbers. "
                + "Use randomK, which draws the same for all, or a format.");
        }

        if (sparsifier is not null && (run.Strategy.KeepsClientState || run.Strategy.Broadcasts.Count > 0))
        {
            throw Refused($"{names.Transform(sparsifier)} leaves numbers of the update out, but the clients of {names.Strategy} reckon with the server having all of them. "
                + "Use a format, such as {\"type\": \"int8\"}, or a strategy without a state at its clients.");
        }
    }

    private static void CheckSecure(RunDefinition run, SecureAggregationPolicy secure, Names names)
    {
        const string sum = "secureAggregation shows the aggregator sums and nothing else";
        if (run.Rounds.Buffer is not null) throw Refused($"{sum}, but rounds.buffer counts each update by its own staleness. Remove one of the two.");
        if (run.Rounds.WorkPlanning is not null)
            throw Refused($"{sum}, but rounds.workPlanning gives each client other work: who was given next to nothing to do hides nobody. Remove one of the two.");
        if (run.Aggregator.Disclosures.Count > 0)
            throw Refused($"{sum}, but {names.Aggregator} compares the updates of single clients. Remove secureAggregation, or use the aggregator weightedMean.");
        foreach (Disclosure shown in (Disclosure[])[Disclosure.IndividualUpdates, Disclosure.ClientMetrics])
            if (run.Disclosures.Contains(shown)) throw Refused($"{sum}, but disclosures names {NameOf(shown)}. Remove one of the two.");
        if (run.Transforms.FirstOrDefault(transform => !transform.IsLinear) is { } own)
            throw Refused($"{sum}, but {names.Transform(own)} writes each update down in a way of its own, which cannot be summed. Use randomK, or none: sums are quantised in any case.");
        if (run.Rounds.MinimumReports < secure.MinimumCohort)
        {
            throw Refused($"secureAggregation.minimumCohort is {secure.MinimumCohort}, but a round counts with {run.Rounds.MinimumReports} reports. "
                + $"Raise rounds.minimumReports to {secure.MinimumCohort} or more.");
        }
    }

    private static void RequireDisclosure(RunDefinition run, Disclosure needed, string why)
    {
        if (!run.Disclosures.Contains(needed))
            throw Refused($"{why}, which the run must disclose. Add \"disclosures\": [\"{NameOf(needed)}\"].");
    }

    private static string NameOf(Disclosure disclosure) => System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(disclosure.ToString());

    private static FedCoreException Refused(string message) => FedCoreException.Configuration("run.composition", message);

    // What a run's parts are called: their place in the file and their name.
    private sealed class Names(RunDefinition run, Registry registry)
    {
        public string Aggregator => $"aggregator {registry.NameOf(run.Aggregator)}";

        public string Strategy => $"strategy {registry.NameOf(run.Strategy)}";

        public string Transform(IUpdateTransform transform) => $"transforms: {registry.NameOf(transform)}";
    }
}
