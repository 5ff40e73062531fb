using FedCore.Rounds.Selection;

namespace FedCore.Rounds.Engine;

/// <summary>
/// Buffered asynchronous rounds: a round is full with so many updates, from whatever model they started, and who is not done stays at work. Whenever a client
/// has answered, another is asked.
/// </summary>
internal sealed class BufferedRounds(ActiveRun run, BufferPolicy buffer, ClientSelection selection, ReplyQueue replies, TaskDispatch tasks, Flights flights) : IRoundMode
{
    // The last round that was opened here, not by an earlier process.
    private int _opened;

    // Those who are still at work stay; so many more are asked that as many are at work as the cohort has.
    public async ValueTask OpenAsync(int round, CancellationToken ct)
    {
        await run.Fleet.WaitAsync(run.Policy.MinimumReports ?? 1, run.State.AbandonedInARow, ct).ConfigureAwait(false);
        ICohortSelection cohort = run.Policy.Cohort;
        int concurrency = (int)cohort.MostWanted(run.Fleet.Clients.Count), atWork = flights.Count;
        List<long> members = [.. Enumerable.Range(0, atWork).Select(position => flights[position].Client.Index)];
        SelectionContext context = selection.ContextFor(round, "cohort");
        if (atWork == 0)
        {
            (context, Cohort chosen) = await selection.ChooseAsync(round, ct).ConfigureAwait(false);
            members.AddRange(chosen.Members);
        }

        HashSet<long> taken = [.. members];
        while (members.Count < concurrency && cohort.SelectNext(context, taken.Contains) is { } next)
        {
            members.Add(next);
            taken.Add(next);
        }

        await run.RecordAsync(new RoundOpened(round, context.Now, members, buffer.Size, atWork), ct).ConfigureAwait(false);
        _opened = round;
        await tasks.AskAsync(ct).ConfigureAwait(false);
    }

    public async ValueTask CollectAsync(CancellationToken ct)
    {
        RoundOpened round = run.State.OpenRound!;
        string reason = await TakeRepliesAsync(round, ct).ConfigureAwait(false);
        await run.RecordAsync(new SetClosed(round.Round, run.Now, reason), ct).ConfigureAwait(false);
    }

    public int[] ReportedPositions() => [.. run.State.Arrivals];

    public double FactorOf(Flight flight) => buffer.Staleness.Factor(run.State.OpenRound!.Round - flight.Task.Round);

    public IReadOnlyList<Flight> Staying() => [.. Owed().Select(position => flights[position])];

    // Clients are at work between rounds too. Where updates outlast the engine, so do the tasks of a run that goes on.
    public void Leave()
    {
        if (run.State.Ended is not null || !run.Fleet.KeepsUpdates)
        {
            foreach (int position in Owed()) tasks.Withdraw(position);
        }

        flights.Clear();
    }

    private async ValueTask<string> TakeRepliesAsync(RoundOpened round, CancellationToken ct)
    {
        // One stream for all who are chosen in the round, one by one.
        SelectionContext next = selection.ContextFor(round.Round, "next");
        int askedAtMost = 100 + 20 * (round.Wanted + round.Cohort.Count);

        // An earlier process may have ended between a reply and the asking that follows it.
        bool owesAsking = _opened != round.Round && run.State.Pending < round.Cohort.Count;
        while (true)
        {
            // Who is asked behind the last update of the buffer shall start from the model that it moves.
            if (round.Wanted > 0 && run.State.Reported >= round.Wanted) return "the buffer is full";
            if (owesAsking && run.State.Clients.Count < askedAtMost) await AskNextAsync(next, ct).ConfigureAwait(false);
            if (run.State.Pending == 0) return "every client has answered or is lost";
            owesAsking = await tasks.TakeAsync(await replies.NextAsync(ct).ConfigureAwait(false), ct).ConfigureAwait(false);
        }
    }

    private async ValueTask AskNextAsync(SelectionContext context, CancellationToken ct)
    {
        if (run.Policy.Cohort.SelectNext(context with { Now = run.Now }, tasks.IsAtWork) is not { } client) return;
        await run.RecordAsync(new ClientAsked(run.State.OpenRound!.Round, client), ct).ConfigureAwait(false);
        await tasks.AskAsync(ct).ConfigureAwait(false);
    }

    private IEnumerable<int> Owed() => Enumerable.Range(0, flights.Count).Where(position => run.State.OpenRound is null || run.State.Replies[position] is null);
}
