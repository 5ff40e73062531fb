using FedCore.Rounds.Selection;

namespace FedCore.Rounds.Engine;

/// <summary>Rounds of a cohort that starts from one model and is waited for: until enough have reported, all have answered, or the deadline passes.</summary>
internal sealed class SynchronousRounds(ActiveRun run, ClientSelection selection, ReplyQueue replies, TaskDispatch tasks) : IRoundMode
{
    public async ValueTask OpenAsync(int round, CancellationToken ct)
    {
        if (await run.Noise.RefusalAsync(round, ct).ConfigureAwait(false) is { } refusal)
        {
            await run.RecordAsync(RunEnding.BudgetSpent(run.Plan, run.State, refusal), ct).ConfigureAwait(false);
            return;
        }

        int needed = run.Policy.MinimumReports ?? (int)Math.Min(int.MaxValue, run.Policy.Cohort.MostWanted(run.Fleet.Clients.Count));
        await run.Fleet.WaitAsync(needed, run.State.AbandonedInARow, ct).ConfigureAwait(false);
        (SelectionContext context, Cohort cohort) = await selection.ChooseAsync(round, ct).ConfigureAwait(false);
        await run.RecordAsync(new RoundOpened(round, context.Now, cohort.Members, cohort.Wanted), ct).ConfigureAwait(false);
        if (await run.Noise.TryReserveAskingAsync(ct).ConfigureAwait(false)) await tasks.AskAsync(ct).ConfigureAwait(false);
        else tasks.PrepareAll();
    }

    public async ValueTask CollectAsync(CancellationToken ct)
    {
        RoundOpened round = run.State.OpenRound!;
        string reason;
        using (CancellationTokenSource deadline = StartDeadline(round)) reason = await TakeRepliesAsync(round, deadline.Token, ct).ConfigureAwait(false);
        await run.RecordAsync(new SetClosed(round.Round, run.Now, reason), ct).ConfigureAwait(false);
        for (int position = 0; position < run.State.Clients.Count; position++)
            if (run.State.Replies[position] is null) tasks.Withdraw(position);
    }

    public int[] ReportedPositions() => [.. run.State.Arrivals.Order()];

    public double FactorOf(Flight flight) => 1;

    public IReadOnlyList<Flight> Staying() => [];

    public void Leave()
    {
    }

    private CancellationTokenSource StartDeadline(RoundOpened round)
    {
        if (run.Policy.DeadlineSeconds is not { } seconds) return new CancellationTokenSource();

        // A round that an earlier process opened may lie ahead of a clock that was set back since.
        TimeSpan limit = TimeSpan.FromSeconds(seconds), left = round.At + limit - run.Now;
        return new CancellationTokenSource(left < TimeSpan.Zero ? TimeSpan.Zero : left < limit ? left : limit, run.Options.Clock);
    }

    private async ValueTask<string> TakeRepliesAsync(RoundOpened round, CancellationToken deadline, CancellationToken ct)
    {
        while (true)
        {
            if (round.Wanted > 0 && run.State.Reported >= round.Wanted) return "all wanted reports are there";
            if (run.State.Pending == 0) return "every client has answered or is lost";
            if (await replies.NextByAsync(deadline, ct).ConfigureAwait(false) is not { } reply) return "the deadline passed";
            await tasks.TakeAsync(reply, ct).ConfigureAwait(false);
        }
    }
}
