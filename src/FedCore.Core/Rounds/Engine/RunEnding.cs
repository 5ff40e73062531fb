using FedCore.Rounds.Privacy;
using FedCore.SecureAggregation;

namespace FedCore.Rounds.Engine;

/// <summary>When a run ends, why, and what to do about an end that nobody wanted. It follows from the facts alone.</summary>
/// <param name="plan">The run.</param>
internal sealed class RunEnding(RunPlan plan)
{
    /// <summary>Why a client took no part that could not finish a single step by the deadline.</summary>
    public const string TooSlow = "client.too-slow";

    /// <summary>What the reason of a round begins with whose updates its aggregator could not be used for.</summary>
    public const string UnfitRule = "the aggregator cannot be used";

    private const string AbandonedRemedy = "Lower rounds.minimumReports, raise rounds.deadlineSeconds or rounds.overSelection, or find out why clients do not report.";

    /// <summary>The end that is due behind the facts so far.</summary>
    /// <param name="state">The facts, with no round open.</param>
    /// <returns>The end, or null where the run goes on.</returns>
    public RunEnded? DueBy(RunState state)
    {
        RunDefinition run = plan.Definition;
        if (state.Evaluations.Count > 0 && state.Evaluations[^1] is { } last && last.Round == state.LastRound)
        {
            foreach ((string name, double metric) in last.Metrics)
                if (!double.IsFinite(metric)) return Diverged($"behind round {last.Round} {name} is {metric}");
        }

        if (state.AbandonedInARow >= run.Rounds.MaxAbandonedInARow)
        {
            RoundReceipt receipt = state.Rounds[^1];
            return new RunEnded("run.abandoned", $"{state.AbandonedInARow} rounds in a row were abandoned, the last because {receipt.Reason}. {WhoIn(receipt)}{RemedyFor(receipt)}");
        }

        if (run.Stop is { } stop && state.Evaluations.Count > 0 && state.Evaluations[^1].Metrics.TryGetValue(stop.Metric, out double value) && stop.IsMet(value))
            return new RunEnded(RunEnded.TargetReached, $"{stop.Metric} reached {value:G4} in round {state.Evaluations[^1].Round}");
        if (state.LastRound >= run.Rounds.Count) return LastRoundHeld(state);
        return plan.Privacy is { } privacy && privacy.IsSpent(state.Privacy) ? Spent(privacy, state) : null;
    }

    private RunEnded Spent(RunPrivacy privacy, RunState state)
    {
        double spent = privacy.SpentBy(privacy.Against, state.Privacy)!.Value.Epsilon;
        return BudgetSpent(plan, state, FormattableString.Invariant($"epsilon {spent:0.###} of {privacy.Policy.Epsilon} is spent, and another round would go past it"));
    }

    /// <summary>The end of a run of which no other round is within a privacy budget; a good one where it was meant to hold as many as there are.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="state">Where it stands.</param>
    /// <param name="why">Why: the middle of a sentence.</param>
    public static RunEnded BudgetSpent(RunPlan plan, RunState state, string why) => new(
        plan.Privacy!.Policy.StopWhenSpent && state.Rounds.Any(round => round.Committed) ? RunEnded.BudgetSpent : "privacy.budget-spent", $"behind round {state.LastRound}, {why}");

    /// <summary>The end of a run that is no longer finite.</summary>
    /// <param name="what">What is not: the middle of a sentence.</param>
    public RunEnded Diverged(string what) => new(
        "run.diverged", $"The run diverged: {what}. Lower training.learningRate (now {plan.Definition.Training.LearningRate:G4}) or set training.clipNorm; "
        + "check that features are scaled and that no parameter of the strategy is extreme.");

    // A run of which no round counted has learned nothing: its model is the first one.
    private static RunEnded LastRoundHeld(RunState state)
    {
        int rounds = state.Rounds.Count, committed = state.Rounds.Count(receipt => receipt.Committed);
        if (committed == 0)
        {
            return new RunEnded("run.abandoned", $"No round was held: {(rounds == 1 ? "the only one was" : $"all {rounds} were")} abandoned, the last because {state.Rounds[^1].Reason}. "
                + WhoIn(state.Rounds[^1]) + RemedyFor(state.Rounds[^1]));
        }

        return new RunEnded(RunEnded.Completed, committed == rounds ? rounds == 1 ? "the only round was held" : $"all {rounds} rounds were held" : $"{committed} of {rounds} rounds were held, {rounds - committed} abandoned");
    }

    // Those who kept a round from being held, the first of them by name.
    private static string WhoIn(RoundReceipt receipt)
    {
        const int most = 5;
        ClientReceipt[] missing = [.. receipt.Clients.Where(client => client.Outcome is ClientOutcome.Declined or ClientOutcome.Lost or ClientOutcome.Refused)];
        if (missing.Length == 0) return "";
        string names = string.Join(", ", missing.Take(most).Select(client => $"{client.Client} {client.Outcome.ToString().ToLowerInvariant()}{(client.Reason is { } why ? $" ({why})" : "")}"));
        return $"Of its clients {names}{(missing.Length > most ? $" and {missing.Length - most} more" : "")}. ";
    }

    private static string RemedyFor(RoundReceipt receipt) => receipt.Reason.StartsWith(UnfitRule, StringComparison.Ordinal)
        ? "Lower the rule's byzantine or share, make rounds.cohort larger, or find out why clients do not report."
        : receipt.Reason.StartsWith(SecureAggregationCodes.Prefix, StringComparison.Ordinal)
            ? "Clients were ready, but their sum did not come about: the codes say why, and docs/how-to/sum-securely.md what to do about each."
        : receipt.Clients.Count > 0 && receipt.Clients.All(client => client.Reason == TooSlow)
            ? "Raise rounds.deadlineSeconds: nobody can finish a single step by then."
            : AbandonedRemedy;
}
