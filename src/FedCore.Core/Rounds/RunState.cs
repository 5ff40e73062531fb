namespace FedCore.Rounds;

/// <summary>Where a run stands: the fold of its journal's facts. It decides nothing.</summary>
public sealed class RunState
{
    private readonly List<RoundReceipt> _rounds = [];
    private readonly List<EvaluationReceipt> _evaluations = [];

    /// <summary>The run's hash, once it was opened.</summary>
    public RunOpened? Opened { get; private set; }

    /// <summary>The receipts of all rounds that count, oldest first.</summary>
    public IReadOnlyList<RoundReceipt> Rounds => _rounds;

    /// <summary>All evaluations that count, oldest first.</summary>
    public IReadOnlyList<EvaluationReceipt> Evaluations => _evaluations;

    /// <summary>The round in progress, or null between rounds.</summary>
    public RoundOpened? OpenRound { get; private set; }

    /// <summary>What became of each client of the open round.</summary>
    public IReadOnlyList<(ClientOutcome Outcome, string? Reason)> Outcomes => _outcomes;

    /// <summary>Why the open round closed, or null while it takes replies.</summary>
    public SetClosed? Closed { get; private set; }

    /// <summary>The last checkpoint, or null.</summary>
    public CheckpointSaved? Checkpoint { get; private set; }

    /// <summary>How the run ended, or null while it goes on.</summary>
    public RunEnded? Ended { get; private set; }

    /// <summary>The number of the last round that ended; 0 before the first.</summary>
    public int LastRound => _rounds.Count == 0 ? 0 : _rounds[^1].Round;

    /// <summary>How many of the last rounds were abandoned, without one between them that was not.</summary>
    public int AbandonedInARow { get; private set; }

    /// <summary>Clients of the open round that reported.</summary>
    public int Reported { get; private set; }

    /// <summary>Clients of the open round whose reply is not yet taken.</summary>
    public int Pending { get; private set; }

    private (ClientOutcome Outcome, string? Reason)[] _outcomes = [];

    /// <summary>Takes one more fact in.</summary>
    /// <param name="fact">The fact.</param>
    /// <exception cref="FedCoreException">It cannot follow what came before (<c>run.journal</c>): the journal is damaged.</exception>
    public void Apply(RunEvent fact)
    {
        if (!IsPossible(fact))
        {
            throw FedCoreException.Configuration(
                "run.journal", $"The journal is damaged: behind round {LastRound} there cannot be this fact: {fact}. Start the run anew.");
        }

        switch (fact)
        {
            case RunOpened opened:
                Opened = opened;
                break;
            case RunResumed resumed:
                _rounds.RemoveAll(receipt => receipt.Round > resumed.Round);
                _evaluations.RemoveAll(receipt => receipt.Round > resumed.Round);
                AbandonedInARow = _rounds.Count - 1 - _rounds.FindLastIndex(receipt => receipt.Committed);
                CloseRound();
                Ended = null;
                break;
            case RoundOpened round:
                OpenRound = round;
                _outcomes = new (ClientOutcome, string?)[round.Cohort.Count];
                Pending = round.Cohort.Count;
                break;
            case ReplyTaken reply:
                Pending -= _outcomes[reply.Position].Outcome == ClientOutcome.Pending ? 1 : 0;
                Reported += (reply.Outcome == ClientOutcome.Reported ? 1 : 0) - (_outcomes[reply.Position].Outcome == ClientOutcome.Reported ? 1 : 0);
                _outcomes[reply.Position] = (reply.Outcome, reply.Reason);
                break;
            case SetClosed closed:
                Closed = closed;
                break;
            case RoundEnded ended:
                _rounds.Add(ended.Receipt);
                AbandonedInARow = ended.Receipt.Committed ? 0 : AbandonedInARow + 1;
                CloseRound();
                break;
            case EvaluationEnded evaluation:
                _evaluations.Add(evaluation.Receipt);
                break;
            case CheckpointSaved saved:
                Checkpoint = saved;
                break;
            case RunEnded ended:
                Ended = ended;
                break;
        }
    }

    private bool IsPossible(RunEvent fact) => fact switch
    {
        RunOpened => Opened is null,
        _ when Opened is null => false,
        RunResumed resumed => resumed.Round == (Checkpoint?.Round ?? 0),
        _ when Ended is not null => false,
        RoundOpened round => OpenRound is null && round.Round == LastRound + 1,
        ReplyTaken reply => reply.Round == OpenRound?.Round && reply.Position >= 0 && reply.Position < _outcomes.Length,
        SetClosed closed => closed.Round == OpenRound?.Round && Closed is null,
        RoundEnded ended => ended.Receipt.Round == OpenRound?.Round,
        EvaluationEnded evaluation => OpenRound is null && evaluation.Receipt.Round == LastRound,
        CheckpointSaved saved => OpenRound is null && saved.Round == LastRound,
        _ => true,
    };

    private void CloseRound()
    {
        OpenRound = null;
        Closed = null;
        Reported = 0;
        Pending = 0;
        _outcomes = [];
    }
}
