using System.Security.Cryptography;
using System.Text;
using FedCore.Client.Settings;
using FedCore.Client.Telemetry;
using FedCore.Hosting.Storage;
using FedCore.Privacy;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Ledgers;
using FedCore.Rounds;
using FedCore.SecureAggregation.Ring;
using Microsoft.Extensions.Logging;

namespace FedCore.Client.Privacy;

/// <summary>
/// The site's own account of how its data were used: it counts its participations, and takes nobody's word for rounds or sampling. What it would cost is written down, and on the disk, before the work
/// begins; a use that would go past the site's budget does not begin.
/// </summary>
internal sealed class SiteLedger(LedgerFile file, PrivacyDemands demands, TimeProvider clock) : IDisposable
{
    private const int UseBytes = 16;

    /// <summary>Opens the ledger that the settings name.</summary>
    /// <exception cref="FedCoreException">Its chain is broken (<c>privacy.ledger</c>): the site takes part in nothing until that is mended.</exception>
    public static SiteLedger Open(ClientSettings settings, string inFolder, TimeProvider clock, ILogger log)
    {
        LedgerFile file = LedgerFile.Open(settings.Privacy.Ledger is { } path ? settings.PathOf(path) : inFolder, clock);
        log.LedgerOpened(file.Path, file.Entries.Count, file.Head);
        return new SiteLedger(file, settings.Privacy, clock);
    }

    /// <summary>
    /// Reserves what training costs, once for what the site was given to do: the name of a task is the aggregator's, which could give one name to many. Where the training itself draws noise, each
    /// time that it begins.
    /// </summary>
    /// <param name="run">The run, as its coordinator named it.</param>
    /// <param name="plan">Its definition.</param>
    /// <param name="round">The round.</param>
    /// <param name="assignment">The hash of the model and the work, 64 hexadecimal digits.</param>
    /// <param name="steps">Steps of the training.</param>
    /// <param name="ct">Cancels the waiting for other clients of the ledger.</param>
    /// <exception cref="FedCoreException">It would go past the site's budget (<c>privacy.budget</c>, <c>privacy.participations</c>), or the chain is broken.</exception>
    public Task ReserveAsync(string run, RunPlan plan, int round, string assignment, int steps, CancellationToken ct)
    {
        LedgerEntry reserved = EntryOf(LedgerEntryKind.Reserved, run, plan, round, assignment, CostOf(plan, steps));
        bool isDrawnAnew = plan.Privacy is { IsAtSites: true };
        return file.AppendAsync(entries => !isDrawnAnew && entries.Any(entry => entry.Use == reserved.Use && entry.Kind == LedgerEntryKind.Reserved) ? [] : [Within(entries, InTurn(entries, reserved, plan))], ct);
    }

    /// <summary>Writes down that a masked input is about to leave. The first is what was reserved; another one, with noise of its own, costs again.</summary>
    /// <param name="run">The run, as its coordinator named it.</param>
    /// <param name="plan">Its definition.</param>
    /// <param name="round">The round.</param>
    /// <param name="assignment">The hash of the model and the work whose result is summed, 64 hexadecimal digits.</param>
    /// <param name="noise">The noise in the sum; null for none.</param>
    /// <param name="ct">Cancels the waiting for other clients of the ledger.</param>
    /// <exception cref="FedCoreException">It would go past the site's budget, or the chain is broken.</exception>
    public Task MaskAsync(string run, RunPlan plan, int round, string assignment, RingNoise? noise, CancellationToken ct)
    {
        // What hides its examples already may be summed as often as it must.
        if (plan.Privacy is { IsAtSites: true }) return Task.CompletedTask;
        PrivacyEvent? cost = noise is { IsShared: true } ? noise.EventOf(noise.Sharers) : null;
        if (cost is not null) plan.Privacy!.Require(cost);
        return file.AppendAsync(entries => [Within(entries, EntryOf(LedgerEntryKind.Masked, run, plan, round, assignment, cost))], ct);
    }

    public void Dispose() => file.Dispose();

    // Against the aggregator, who knows when the site took part; null where nothing is bounded against it.
    private static PrivacyEvent? CostOf(RunPlan plan, int steps) => plan.Privacy switch
    {
        { IsAtSites: true } privacy => privacy.CostOfSteps(steps),
        { } privacy when privacy.Protects(PrivacyAdversary.Aggregator) => new GaussianEvent(privacy.NoiseMultiplier),
        _ => null,
    };

    private LedgerEntry EntryOf(LedgerEntryKind kind, string run, RunPlan plan, int round, string assignment, PrivacyEvent? cost) => new()
    {
        At = clock.GetUtcNow(),
        Kind = kind,
        Run = run,
        Hash = plan.Hash,
        Round = round,
        Use = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(FormattableString.Invariant($"{plan.Hash}\n{round}\n{assignment}"))).AsSpan(0, UseBytes)),
        Source = demands.Source,
        Unit = plan.Privacy?.Policy.Unit ?? PrivacyUnit.Client,
        Relation = plan.Privacy?.Policy.Relation ?? NeighboringRelation.ZeroOut,
        Adversary = PrivacyAdversary.Aggregator,
        Event = cost,
    };

    // Where noise is in trees, what a run costs follows from how often the site takes part in it, and how soon again.
    private static LedgerEntry InTurn(IReadOnlyList<LedgerEntry> entries, LedgerEntry next, RunPlan plan)
    {
        if (plan.Privacy?.Tree is not { } tree) return next;
        int[] rounds = [.. entries.Where(entry => entry.Kind == LedgerEntryKind.Reserved && entry.Run == next.Run && entry.Hash == next.Hash && entry.Source == next.Source).Select(entry => entry.Round).Distinct()];
        if (rounds.Any(round => round != next.Round && Math.Abs(round - next.Round) <= tree.MinimumSeparation))
        {
            throw FedCoreException.Configuration(PrivacyNumbers.Separation, FormattableString.Invariant(
                $"The site took part in round {rounds.Last(round => round != next.Round)}, and at least {tree.MinimumSeparation} rounds lie between two (privacy.tree.minimumSeparation): it takes no part in round {next.Round}."));
        }

        if (!rounds.Contains(next.Round) && rounds.Length >= tree.MaximumParticipations)
        {
            throw FedCoreException.Configuration(PrivacyNumbers.Participations, FormattableString.Invariant(
                $"The site took part in {rounds.Length} rounds of the run, and the most is {tree.MaximumParticipations} (privacy.tree.maximumParticipations): it takes part in no more."));
        }

        return next;
    }

    private LedgerEntry Within(IReadOnlyList<LedgerEntry> entries, LedgerEntry next)
    {
        LedgerBalance balance = LedgerBalance.Of(entries.Append(next), demands.Source, next.Unit);
        if (balance.Uses > demands.MaxParticipations)
        {
            throw FedCoreException.Configuration(PrivacyNumbers.Participations, FormattableString.Invariant(
                $"The site's data '{demands.Source}' were used {balance.Uses - 1} times, and client.privacy.maxParticipations is {demands.MaxParticipations}: it takes part in no more."));
        }

        if (demands.MaxEpsilonAgainstAggregator is { } most && balance.Epsilon(demands.Delta) is var epsilon && epsilon > most)
        {
            throw FedCoreException.Configuration(PrivacyNumbers.Budget, FormattableString.Invariant(
                $"With another use of the site's data '{demands.Source}' epsilon {epsilon:0.###} would be spent against the aggregator, but client.privacy.maxEpsilonAgainstAggregator is {most}: it takes part in no more."));
        }

        return next;
    }
}
