using FedCore.Aggregator.Fleet;
using FedCore.Protocol.V1;
using FedCore.Rounds;

namespace FedCore.Aggregator.Runs;

/// <summary>Where a run stands: folded from the same facts as the engine's state, which is the engine's, for everybody else. Safe for many threads.</summary>
internal sealed class RunStatus(RunGate gate)
{
    private readonly Lock _lock = new();
    private RunState _state = new();
    private string? _trouble;
    private bool _isRead;
    private TaskCompletionSource _changed = New();

    /// <summary>Ends at the run's next fact, or when what it does changes otherwise.</summary>
    public Task Changed
    {
        get
        {
            lock (_lock) return _changed.Task;
        }
    }

    public bool HasBegun
    {
        get
        {
            lock (_lock) return _state.Opened is not null;
        }
    }

    public bool HasEnded
    {
        get
        {
            lock (_lock) return _state.Ended is not null;
        }
    }

    /// <summary>The number of the round in progress; null between rounds.</summary>
    public int? OpenRound
    {
        get
        {
            lock (_lock) return _state.OpenRound?.Round;
        }
    }

    /// <summary>The receipts of the rounds that count, oldest first.</summary>
    public IReadOnlyList<RoundReceipt> Receipts
    {
        get
        {
            lock (_lock) return [.. _state.Rounds];
        }
    }

    /// <summary>What became of a training task of a site; null while it is not known.</summary>
    /// <param name="site">The site.</param>
    /// <param name="round">The round.</param>
    /// <param name="position">Its place among those that were asked; null where cohorts are hidden: then it is in a round once, and does not know its place.</param>
    public bool? SettlementOf(string site, int round, int? position)
    {
        lock (_lock)
        {
            if (round < 1) return false;
            if (round <= _state.LastRound)
            {
                RoundReceipt receipt = _state.Rounds[round - 1];
                IEnumerable<ClientReceipt> own = position is not { } place ? receipt.Clients : place >= 0 && place < receipt.Clients.Count ? [receipt.Clients[place]] : [];
                return receipt.Committed && own.Any(client => client.Client == site && client.Outcome == ClientOutcome.Reported);
            }

            return _state.Ended is null ? null : false;
        }
    }

    /// <summary>Says where the run stands to who asked for a description of it.</summary>
    public void Describe(Run run)
    {
        lock (_lock)
        {
            (run.Phase, run.Message) = PhaseNow();
            run.EndCode = _state.Ended?.Code ?? "";
            run.Round = _state.LastRound;
            run.Metrics.Add(_state.LastMetrics.ToDictionary());
        }
    }

    /// <summary>Begins anew from what the journal holds.</summary>
    public void Reset(RunState state)
    {
        lock (_lock) (_state, _isRead) = (state, true);
    }

    /// <summary>Takes one more fact in. Nobody is woken yet.</summary>
    public void Take(RunEvent fact)
    {
        lock (_lock)
        {
            _state.Apply(fact);
            _trouble = null;
        }
    }

    /// <summary>Takes note of what holds the run up until its next fact.</summary>
    public void HoldUp(string trouble)
    {
        lock (_lock) _trouble = trouble;
        RaiseChanged();
    }

    /// <summary>Wakes up who waits for <see cref="Changed"/>.</summary>
    public void RaiseChanged()
    {
        TaskCompletionSource changed;
        lock (_lock) (changed, _changed) = (_changed, New());
        changed.TrySetResult();
    }

    private (RunPhase, string) PhaseNow() => _state switch
    {
        { Ended.IsSuccess: true } => (RunPhase.Completed, _state.Ended.Message),
        { Ended.Code: RunHost.Cancelled } => (RunPhase.Cancelled, _state.Ended.Message),
        { Ended: { } end } => (RunPhase.Failed, end.Message),
        _ when _trouble is not null => (RunPhase.Waiting, _trouble),
        _ when !_isRead => (RunPhase.Waiting, "its journal is being read"),
        { OpenRound: null } when gate.IsHeld => (RunPhase.Paused, "its coordinator paused it"),
        { OpenRound: null } when gate.Wait is { } what => (RunPhase.Waiting, what),
        { OpenSum: { } sum } => (RunPhase.Running, $"round {sum.Round}: a secure sum of {sum.Clients.Count} sites, {_state.ClosedStages.Count} of 5 messages are answered"),
        { OpenRound: { } round } => (RunPhase.Running, $"round {round.Round}: {_state.Reported} of {round.Wanted} reports"),
        _ => (RunPhase.Running, "between rounds"),
    };

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
