using FedCore.Compression.Formats;
using FedCore.Compression.Sparsifiers;
using FedCore.Models;

namespace FedCore.Rounds;

/// <summary>Which parts of a run do not go together, and why.</summary>
internal static class RunComposition
{
    /// <exception cref="FedCoreException">Two parts exclude each other (<c>run.composition</c>); the message says why and what to do.</exception>
    public static void Check(RunDefinition run, ModelPlan model)
    {
        if (run.Disclosures.Distinct().Count() != run.Disclosures.Count) throw Refused("disclosures names one twice. Name each once.");
        if (run.Rounds is { WorkPlanning: not null, DeadlineSeconds: null, Buffer: null })
            throw Refused("rounds.workPlanning plans what clients can finish by the deadline, but rounds.deadlineSeconds is not set. Set it, such as to 60.");
        foreach (Disclosure needed in run.Rounds.Cohort.Disclosures.Concat(run.Evaluation.Cohort?.Disclosures ?? []))
            RequireDisclosure(run, needed, "rounds.cohort chooses by what single clients do");
        if (run.SecureAggregation is null)
            foreach (Disclosure needed in run.Aggregator.Disclosures) RequireDisclosure(run, needed, "aggregator compares the updates of single clients");
        CheckTransforms(run);
        if (run.Aggregator.Disclosures.Count > 0 && run.Strategy.KeepsClientState)
        {
            throw Refused("aggregator leaves clients out, but the strategy's clients keep what the server must have the mean of. Use a strategy without a state at its clients, such as fedavg, "
                + "or the aggregator weightedMean.");
        }

        if (run.Rounds.Buffer is not null) CheckBuffer(run, model);
        if (run.SecureAggregation is { } secure) CheckSecure(run, secure);
    }

    private static void CheckBuffer(RunDefinition run, ModelPlan model)
    {
        const string buffered = "rounds.buffer lets every client start and end at a time of its own";
        if (run.Rounds.WorkPlanning is not null)
            throw Refused($"{buffered}, so nobody plans work by a deadline. Leave rounds.workPlanning and rounds.deadlineSeconds out.");
        if (run.Rounds.DeadlineSeconds is not null)
            throw Refused($"{buffered}, so there is no deadline for all. Leave rounds.deadlineSeconds out; rounds.buffer.maxStaleness limits how late an update may be.");
        if (run.Rounds.OverSelection > 0) throw Refused($"{buffered}, and waits for nobody. Set rounds.overSelection to 0.");
        if (!run.Rounds.Cohort.AllowsBuffer) throw Refused($"{buffered}, so clients are chosen one by one. Use a uniform cohort, or all.");
        if (run.Strategy.Broadcasts.Count > 0 || run.Strategy.KeepsClientState)
            throw Refused($"{buffered}, but the strategy's clients must start a round from the same state of the server. Use fedavg, fedprox, fednova or qfedavg.");
        if (model.Schema.KeepsClientState)
            throw Refused($"{buffered}, but layers that are local are settled only when their client's update is part of the model. Make model.layers shared, or leave rounds.buffer out.");
        if (run.Transforms.Any(transform => transform.KeepsClientState))
            throw Refused($"{buffered}, but transforms keep at the client what an update left out, until that update is part of the model. Use topK with \"errorFeedback\": false, or a format.");
    }

    private static void CheckTransforms(RunDefinition run)
    {
        const string order = "transforms are at most one that chooses numbers and then at most one that shortens them, such as [{\"type\": \"topK\"}, {\"type\": \"int8\"}]";
        int sparsifiers = run.Transforms.Count(transform => transform is ISparsifier), formats = run.Transforms.Count(transform => transform is IValueFormat);
        if (sparsifiers > 1 || formats > 1 || sparsifiers + formats != run.Transforms.Count || (sparsifiers + formats == 2 && run.Transforms[0] is IValueFormat))
            throw Refused($"{order}. Change transforms.");
        if (run.Aggregator.Disclosures.Count > 0 && run.Transforms.Any(transform => transform is ISparsifier { IsShared: false }))
        {
            throw Refused("aggregator compares the clients' numbers with each other, but transforms let each client send other numbers. Use randomK, which draws the same for all, or a format.");
        }

        if (sparsifiers > 0 && (run.Strategy.KeepsClientState || run.Strategy.Broadcasts.Count > 0))
        {
            throw Refused("transforms leave numbers of the update out, but the strategy's clients reckon with the server having all of them. "
                + "Use a format, such as {\"type\": \"int8\"}, or a strategy without a state at its clients.");
        }
    }

    private static void CheckSecure(RunDefinition run, SecureAggregationPolicy secure)
    {
        const string sum = "secureAggregation shows the aggregator sums and nothing else";
        if (run.Rounds.Buffer is not null) throw Refused($"{sum}, but rounds.buffer counts each update by its own staleness. Remove one of the two.");
        if (run.Aggregator.Disclosures.Count > 0)
            throw Refused($"{sum}, but aggregator compares the updates of single clients. Remove secureAggregation, or use the aggregator weightedMean.");
        foreach (Disclosure shown in (Disclosure[])[Disclosure.IndividualUpdates, Disclosure.ClientMetrics])
            if (run.Disclosures.Contains(shown)) throw Refused($"{sum}, but disclosures names {NameOf(shown)}. Remove one of the two.");
        if (run.Transforms.Any(transform => !transform.IsLinear))
            throw Refused($"{sum}, but transforms write each update down in a way of its own, which cannot be summed. Use randomK, or none: sums are quantised in any case.");
        if (run.Rounds.MinimumReports < secure.MinimumCohort)
        {
            throw Refused($"secureAggregation.minimumCohort is {secure.MinimumCohort}, but a round counts with {run.Rounds.MinimumReports} reports. "
                + $"Raise rounds.minimumReports to {secure.MinimumCohort} or more.");
        }
    }

    private static void RequireDisclosure(RunDefinition run, Disclosure needed, string why)
    {
        if (!run.Disclosures.Contains(needed))
            throw Refused($"{why}, which the run must disclose and every site must allow. Add \"disclosures\": [\"{NameOf(needed)}\"].");
    }

    private static string NameOf(Disclosure disclosure) => System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(disclosure.ToString());

    private static FedCoreException Refused(string message) => FedCoreException.Configuration("run.composition", message);
}
