using FedCore.Aggregator.Settings;
using FedCore.Hosting.Storage;
using FedCore.Privacy;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Ledgers;
using FedCore.Rounds;
using FedCore.Rounds.Privacy;

namespace FedCore.Aggregator.Privacy;

/// <summary>The aggregator's privacy ledger over all its runs.</summary>
internal sealed class PrivacyBook(LedgerFile file, PrivacyBudget budget, TimeProvider clock) : IDisposable
{
    /// <summary>The ledger's file in the data folder.</summary>
    public const string FileName = "privacy-ledger.jsonl";

    /// <summary>Opens the ledger.</summary>
    /// <exception cref="FedCoreException">Its chain is broken (<c>privacy.ledger</c>).</exception>
    public static PrivacyBook Open(string folder, PrivacyBudget budget, TimeProvider clock) => new(LedgerFile.Open(Path.Combine(folder, FileName), clock), budget, clock);

    /// <summary>The account of one run.</summary>
    /// <param name="run">The run, as its coordinator named it.</param>
    /// <param name="sites">Its sites.</param>
    public IPrivacyLedger For(string run, IReadOnlyList<string> sites) => new RunLedger(this, run, sites);

    /// <summary>Refuses a run of which not all rounds would be within the budget, unless it stops by itself.</summary>
    /// <exception cref="FedCoreException">They would not (<c>privacy.budget</c>).</exception>
    public void Require(RunPlan plan, IReadOnlyList<string> sites)
    {
        if (plan.Privacy is not { } privacy) return;
        int rounds = privacy.Policy.StopWhenSpent ? 1 : plan.Definition.Rounds.Count;
        if (RefusalOf(file.Entries, plan, sites, rounds) is { } refusal) throw FedCoreException.Configuration(PrivacyNumbers.Budget, refusal);
    }

    public void Dispose() => file.Dispose();

    // For each site, as if it were in all of the rounds.
    private string? RefusalOf(IReadOnlyList<LedgerEntry> entries, RunPlan plan, IReadOnlyList<string> sites, int rounds)
    {
        if (budget.MaxEpsilon is not { } most) return null;
        PrivacyEvent cost = plan.Privacy!.PlannedCost;
        (string site, double epsilon) = LedgerBalance.Largest(entries, budget.Source, plan.Privacy.Policy.Unit, sites, cost, rounds, budget.Delta);
        return epsilon <= most ? null : FormattableString.Invariant(
            $"{(rounds == 1 ? "another round" : $"its {rounds} rounds")} would bring what is spent on site '{site}' to epsilon {epsilon:0.###}, but aggregator.privacy.maxEpsilon is {most}");
    }

    private sealed class RunLedger(PrivacyBook book, string run, IReadOnlyList<string> sites) : IPrivacyLedger
    {
        public ValueTask<string?> RefusalAsync(RunPlan plan, CancellationToken ct) => ValueTask.FromResult(book.RefusalOf(book.File.Entries, plan, sites, 1));

        public async ValueTask ReserveAsync(RunPlan plan, PrivacyReserved reserved, PrivacyEvent cost, IReadOnlyList<string>? clients, CancellationToken ct) => await book.File.AppendAsync(
            entries =>
            {
                if (book.RefusalOf(entries, plan, clients ?? sites, 1) is { } refusal) throw FedCoreException.RunFailed(PrivacyNumbers.Budget, refusal);
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
