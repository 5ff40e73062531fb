using FedCore.Rounds.Selection;

namespace FedCore.Rounds.Engine;

/// <summary>Chooses the clients of rounds and evaluations, from what is known of them at that moment.</summary>
internal sealed class ClientSelection(ActiveRun run, ReplyQueue replies)
{
    // So many clients are looked at one by one where nobody was chosen.
    private const int MostLookedAt = 1_000_000;

    /// <summary>What is chosen from in a round.</summary>
    /// <param name="round">The round.</param>
    /// <param name="purpose">What for; each purpose has random numbers of its own.</param>
    public SelectionContext ContextFor(int round, string purpose) => new(run.Fleet.Clients, run.Plan.Random.Stream(purpose, round))
    {
        Round = round,
        Now = run.Now,
        Secret = purpose == "cohort" && run.Plan.Privacy is { HidesCohorts: true } ? run.Options.PrivateRandom(purpose, round) : null,
        OverSelection = purpose == "cohort" ? run.Policy.OverSelection : 0,
        History = run.State.History,
        MayTakePart = run.Plan.Privacy is { Tree: not null } privacy && purpose == "cohort" ? client => privacy.FaultOf(client, round, run.State.Privacy) is null : static _ => true,
    };

    private static Cohort Eligible(Cohort cohort, SelectionContext context)
    {
        long[] members = [.. cohort.Members.Where(context.MayTakePart)];
        return members.Length == cohort.Members.Count ? cohort : new Cohort(members, Math.Min(cohort.Wanted, members.Length));
    }

    /// <summary>Chooses a round's cohort. Where everybody whom it would ask is known to be asleep, it waits until the first of them wakes up.</summary>
    public async ValueTask<(SelectionContext Context, Cohort Cohort)> ChooseAsync(int round, CancellationToken ct)
    {
        IClientDirectory clients = run.Fleet.Clients;
        while (true)
        {
            SelectionContext context = ContextFor(round, "cohort");
            Cohort cohort = Eligible(run.Policy.Cohort.Select(context), context);
            IReadOnlyList<long> chosen = cohort.Members;
            if (chosen.Count == 0 && (clients.Count > MostLookedAt || context.AvailableClients().Any())) return (context, cohort);
            TimeSpan sleep = (chosen.Count > 0 ? chosen : Enumerable.Range(0, (int)clients.Count).Select(client => (long)client))
                .Min(client => clients.Get(client).TimeUntilAvailable(context.Now));
            if (sleep == TimeSpan.Zero) return (context, cohort);
            using var alarm = new CancellationTokenSource(sleep, run.Options.Clock);
            while (await replies.NextByAsync(alarm.Token, ct).ConfigureAwait(false) is not null)
            {
                // Who answers now was given up before.
            }
        }
    }
}
