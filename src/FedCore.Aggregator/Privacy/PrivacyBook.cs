using FedCore.Aggregator.Settings;
using FedCore.Aggregator.Telemetry;
using FedCore.Hosting.Storage;
using FedCore.Privacy;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Ledgers;
using FedCore.Rounds;
using FedCore.Rounds.Privacy;
using Microsoft.Extensions.Logging;

namespace FedCore.Aggregator.Privacy;

/// <summary>The aggregator's privacy ledger over all its runs.</summary>
internal sealed class PrivacyBook(LedgerFile file, PrivacyBudget budget, TimeProvider clock) : IDisposable
{
    /// <summary>The ledger's file in the data folder.</summary>
    public const string FileName = "privacy-ledger.jsonl";

    /// <summary>Opens the ledger.</summary>
    /// <exception cref="FedCoreException">Its chain is broken (<c>privacy.ledger</c>).</exception>
    public static PrivacyBook Open(string folder, PrivacyBudget budget, TimeProvider clock, ILogger logger)
    {
        LedgerFile file = LedgerFile.Open(Path.Combine(folder, FileName), clock);
        Log.LedgerOpened(logger, file.Path, file.Entries.Count, file.Head);
        return new PrivacyBook(file, budget, clock);
    }

    /// <summary>The account of one run.</summary>
    /// <param name="run">The run, as its coordinator named it.</param>
    /// <param name="sites">Its sites.</param>
    public IPrivacyLedger For(string run, IReadOnlyList<string> sites) => new RunLedger(this, run, sites);

    /// <summary>Refuses a run of which not all rounds would be within the budget, unless it stops by itself.</summary>
    /// <exception cref="FedCoreException">They would not (<c>privacy.budget</c>).</exception>
    public void Require(RunPlan plan, IReadOnlyList<string> sites)
    {
        if (plan.Privacy is not { } privacy)
        {
            if (budget.MaxEpsilon is null) return;
            throw FedCoreException.Configuration("privacy.required", "The run has no \"privacy\", but aggregator.privacy.maxEpsilon is set: nothing would bound what it shows of the sites' data.");
        }

        int rounds = privacy.Policy.StopWhenSpent ? 1 : plan.Definition.Rounds.Count;
        if (RefusalOf(file.Entries, plan, sites, privacy.PlannedCosts(rounds), rounds == 1 ? "another round" : $"its {rounds} rounds") is { } refusal) throw FedCoreException.Configuration(PrivacyNumbers.Budget, refusal);
    }

    public void Dispose() => file.Dispose();

    // For each site, as if it were in all of it.
    private string? RefusalOf(IReadOnlyList<LedgerEntry> entries, RunPlan plan, IReadOnlyList<string> sites, IReadOnlyList<PrivacyEvent> costs, string what)
    {
        if (budget.MaxEpsilon is not { } most) return null;
        (string site, double epsilon) = LedgerBalance.Largest(entries, budget.Source, plan.Privacy!.Policy.Unit, sites, plan.Privacy.Policy.Relation, costs, budget.Delta);
        return epsilon <= most ? null : FormattableString.Invariant(
            $"{what} would bring what is spent on site '{site}' to epsilon {epsilon:0.###}, but aggregator.privacy.maxEpsilon is {most}");
    }

    private sealed class RunLedger(PrivacyBook book, string run, IReadOnlyList<string> sites) : IPrivacyLedger
    {
        private const string AnotherRound = "another round";

        public ValueTask<string?> RefusalAsync(RunPlan plan, IReadOnlyList<PrivacyEvent> costs, CancellationToken ct) =>
            ValueTask.FromResult(book.RefusalOf(book.File.Entries, plan, sites, costs, AnotherRound));

        public async ValueTask ReserveAsync(RunPlan plan, PrivacyReserved reserved, PrivacyEvent cost, IReadOnlyList<string>? clients, CancellationToken ct) => await book.File.AppendAsync(
            entries =>
            {
                if (book.RefusalOf(entries, plan, clients ?? sites, [cost], AnotherRound) is { } refusal) throw FedCoreException.RunFailed(PrivacyNumbers.Budget, refusal);
                return
                [
                    new LedgerEntry
                    {
                        At = book.Clock.GetUtcNow(),
                        Kind = LedgerEntryKind.Reserved,
                        Run = run,
                        Hash = plan.Hash,
                        Round = reserved.Round,
                        Use = reserved.Draw,
                        Source = book.Budget.Source,
                        Unit = plan.Privacy!.Policy.Unit,
                        Relation = plan.Privacy.Policy.Relation,
                        Adversary = plan.Privacy.Against,
                        Event = cost,
                        Clients = clients,
                    },
                ];
            },
            ct).ConfigureAwait(false);
    }

    private LedgerFile File => file;

    private PrivacyBudget Budget => budget;

    private TimeProvider Clock => clock;
}
