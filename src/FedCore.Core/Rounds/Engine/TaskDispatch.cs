using FedCore.Strategies;

namespace FedCore.Rounds.Engine;

/// <summary>Hands training tasks to clients and takes their replies.</summary>
internal sealed class TaskDispatch(ActiveRun run, Flights flights)
{
    private const string Stale = "update.stale";

    private static readonly ClientWork Unknown = new();

    private readonly HashSet<long> _atWork = [];

    /// <summary>Whether a client has a training task.</summary>
    public bool IsAtWork(long client) => _atWork.Contains(client);

    /// <summary>Hands their tasks to those who were asked, by the facts, and have none yet.</summary>
    public async ValueTask AskAsync(CancellationToken ct)
    {
        while (flights.Count < run.State.Askings.Count)
        {
            Prepare(run.State.Askings[flights.Count], flights.PresentVersion());
            await SendAsync(flights.Count - 1, ct).ConfigureAwait(false);
        }
    }

    /// <summary>Makes the tasks of those who were asked, by the facts, and have none yet, without handing them over.</summary>
    public void PrepareAll()
    {
        while (flights.Count < run.State.Askings.Count) Prepare(run.State.Askings[flights.Count], flights.PresentVersion());
    }

    /// <summary>Makes the task of the client that stands next in the state, without handing it over.</summary>
    /// <param name="asking">Where and when it was asked.</param>
    /// <param name="version">The model that it starts from; null for the server's, where the run waits for all.</param>
    public Flight Prepare(Asking asking, ModelVersion? version)
    {
        RoundPolicy policy = run.Policy;
        IStrategy strategy = run.Plan.Definition.Strategy;
        ClientDescriptor descriptor = run.Fleet.Clients.Get(asking.Client);
        ClientTask work = strategy.Plan(new RoundContext(run.Plan, asking.Round, run.Fleet.Clients.Count), descriptor);
        if (policy.WorkPlanning is { } planning && policy.DeadlineSeconds is { } seconds)
        {
            int? most = planning.StepsFor(work, descriptor, seconds, run.Plan.TaskBytes, run.Plan.UpdateBytes);
            work = work with { MaxSteps = most < work.MaxSteps ? most : work.MaxSteps ?? most };
        }

        if (run.Plan.Privacy?.BatchRate is { } rate && run.Plan.Definition.Training.StepsAt(rate) is var steps && (work.Work.Steps == 0 || work.Work.Steps > steps))
            throw new InvalidOperationException($"The strategy {strategy.GetType().Name} plans {work.Work}, but what the run promises is reckoned for {steps} steps in a round. Plan {nameof(RoundContext.StandardTask)}, or less.");
        if (run.Plan.Privacy is { Policy.AdaptiveClip: not null } privacy) work = work with { UpdateClip = privacy.ClipBehind(run.State.Rounds) };
        version?.Acquire();
        DateTimeOffset? deadline = policy.DeadlineSeconds is { } limit ? asking.At.AddSeconds(limit) : null;
        var task = new TrainTask(work, asking.Round, asking.Position, asking.CohortSize, version?.Model ?? run.Server.Model, run.Plan.TrainLayout, deadline)
        {
            Broadcasts = strategy.Broadcasts.ToDictionary(name => name, name => run.Server.Vector(name)),
        };
        var flight = new Flight(descriptor, task, run.Now, version);
        flights.Add(flight);
        return flight;
    }

    /// <summary>Hands a task over. Who cannot do a single step of it in time, or was in a sum too lately, is not asked, and is taken to have declined.</summary>
    public async ValueTask SendAsync(int position, CancellationToken ct)
    {
        Flight flight = flights[position];
        _atWork.Add(flight.Client.Index);
        string? reason = run.Plan.Privacy?.FaultOf(flight.Client.Index, flight.Task.Round, run.State.Privacy) ?? (flight.Task.Work.MaxSteps == 0 ? RunEnding.TooSlow : null);
        if (reason is not null) await TakeAsync(new FleetReply(flight.Task, ClientOutcome.Declined, Reason: reason), ct).ConfigureAwait(false);
        else await run.Fleet.SendAsync(flight.Client, flight.Task, ct).ConfigureAwait(false);
    }

    /// <summary>Takes a reply.</summary>
    /// <returns>Whether a client of the open round owed it.</returns>
    public async ValueTask<bool> TakeAsync(FleetReply reply, CancellationToken ct)
    {
        if (flights.PositionOf(reply.Task) is not { } position || run.State.Replies[position] is not null) return false;
        Flight flight = flights[position];
        RoundOpened round = run.State.OpenRound!;
        (ClientOutcome outcome, string? reason, int staleness) = (reply.Outcome, reply.Reason, round.Round - flight.Task.Round);
        if (outcome == ClientOutcome.Reported && staleness > run.Policy.Buffer?.MaxStaleness) (outcome, reason) = (ClientOutcome.Refused, Stale);
        bool showsTiming = run.Plan.Discloses(Disclosure.Timing);
        var work = new ClientWork
        {
            Planned = showsTiming && reply.PlannedSteps is { } steps ? steps : flight.Task.Work.MaxSteps,
            Done = showsTiming ? reply.Steps : null,
            Seconds = showsTiming ? Math.Round((run.Now - flight.Asked).TotalSeconds, 3) : null,
            Staleness = round.IsBuffered ? staleness : null,
        };
        await run.RecordAsync(new ReplyTaken(round.Round, position, outcome, reason, work == Unknown ? null : work), ct).ConfigureAwait(false);
        flight.Update = reply.Update;
        _atWork.Remove(flight.Client.Index);
        return true;
    }

    /// <summary>Gives up a client's task.</summary>
    public void Withdraw(int position)
    {
        Flight flight = flights[position];
        run.Fleet.Withdraw(flight.Task);
        _atWork.Remove(flight.Client.Index);
    }
}
