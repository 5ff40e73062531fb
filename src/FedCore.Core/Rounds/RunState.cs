using FedCore.Rounds.Privacy;
using FedCore.Rounds.Selection;
using FedCore.SecureAggregation.Messages;

namespace FedCore.Rounds;

/// <summary>Where a run stands: the fold of its journal's facts. It decides nothing.</summary>
public sealed class RunState
{
    private readonly List<RoundReceipt> _rounds = [];
    private readonly List<IReadOnlyList<long>> _asked = [];
    private readonly List<long> _clients = [];
    private readonly List<Asking> _askings = [];
    private readonly List<ReplyTaken?> _replies = [];
    private readonly List<int> _arrivals = [];
    private readonly List<EvaluationReceipt> _evaluations = [];
    private readonly List<SumStageClosed> _closedStages = [];

    /// <summary>The run's hash, once it was opened.</summary>
    public RunOpened? Opened { get; private set; }

    /// <summary>The receipts of all rounds that count, oldest first.</summary>
    public IReadOnlyList<RoundReceipt> Rounds => _rounds;

    /// <summary>All evaluations that count, oldest first.</summary>
    public IReadOnlyList<EvaluationReceipt> Evaluations => _evaluations;

    /// <summary>The round in progress, or null between rounds.</summary>
    public RoundOpened? OpenRound { get; private set; }

    /// <summary>The clients of the open round, in the order in which they were asked: their indices in the directory.</summary>
    public IReadOnlyList<long> Clients => _clients;

    /// <summary>The reply of each client of the open round; null while there is none.</summary>
    public IReadOnlyList<ReplyTaken?> Replies => _replies;

    /// <summary>Where and when each client of the open round was asked. Between the rounds of a buffered run: those of the clients who are at work.</summary>
    internal IReadOnlyList<Asking> Askings => _askings;

    /// <summary>The places of the open round's clients that reported, in the order in which their reports came, also where the sum has refused them since.</summary>
    internal IReadOnlyList<int> Arrivals => _arrivals;

    /// <summary>Who took part in the rounds that count.</summary>
    public ParticipationHistory History { get; } = new();

    /// <summary>What was reserved of the run's privacy budget; nothing is given back, also not what rounds cost that do not count any more.</summary>
    public PrivacySpending Privacy { get; } = new();

    /// <summary>The noise that was reserved for the open round; null while none is.</summary>
    public PrivacyReserved? OpenNoise { get; private set; }

    /// <summary>Why the open round closed, or null while it takes replies.</summary>
    public SetClosed? Closed { get; private set; }

    /// <summary>The session of secure aggregation in progress, or null.</summary>
    public SumOpened? OpenSum { get; private set; }

    /// <summary>The stages of that session that are over, in order, with those whose answers count.</summary>
    public IReadOnlyList<SumStageClosed> ClosedStages => _closedStages;

    /// <summary>The last checkpoint, or null.</summary>
    public CheckpointSaved? Checkpoint { get; private set; }

    /// <summary>The metrics of the last evaluation; where there was none, those of the last round that counted.</summary>
    public IReadOnlyDictionary<string, double> LastMetrics => _evaluations.Count > 0 ? _evaluations[^1].Metrics : _rounds.LastOrDefault(round => round.Committed)?.Metrics ?? new Dictionary<string, double>();

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
                _asked.RemoveRange(_rounds.Count, _asked.Count - _rounds.Count);
                History.Clear();
                for (int i = 0; i < _rounds.Count; i++) History.Add(_asked[i], _rounds[i]);
                _evaluations.RemoveAll(receipt => receipt.Round > resumed.Round);
                Privacy.Resume(resumed.Round);
                AbandonedInARow = _rounds.Count - 1 - _rounds.FindLastIndex(receipt => receipt.Committed);
                CloseRound();
                _askings.Clear();
                Ended = null;
                break;
            case RoundOpened round:
                OpenRound = round;
                Asking[] atWork = [.. _askings];
                _askings.Clear();
                foreach (long client in round.Cohort) Ask(client, _clients.Count < atWork.Length ? atWork[_clients.Count] : null);
                break;
            case ClientAsked asked:
                Ask(asked.Client);
                break;
            case ReplyTaken reply:
                Pending -= _replies[reply.Position] is null ? 1 : 0;
                Reported += (reply.Outcome == ClientOutcome.Reported ? 1 : 0) - (OutcomeOf(reply.Position) == ClientOutcome.Reported ? 1 : 0);
                if (_replies[reply.Position] is null && reply.Outcome == ClientOutcome.Reported) _arrivals.Add(reply.Position);
                _replies[reply.Position] = reply;
                break;
            case SetClosed closed:
                Closed = closed;
                break;
            case SumOpened sum:
                OpenSum = sum;
                _closedStages.Clear();
                break;
            case SumStageClosed stage:
                _closedStages.Add(stage);
                break;
            case PrivacyReserved reserved:
                Privacy.Add(reserved, Exposed());
                OpenNoise = reserved;
                break;
            case RoundEnded ended:
                _rounds.Add(ended.Receipt);
                _asked.Add([.. InReceipt().Select(position => _clients[position])]);
                History.Add(_asked[^1], ended.Receipt);
                AbandonedInARow = ended.Receipt.Committed ? 0 : AbandonedInARow + 1;
                if (ended.Checkpoint is { } digest) Checkpoint = new CheckpointSaved(ended.Receipt.Round, digest);
                CloseRound();
                break;
            case EvaluationEnded evaluation:
                _evaluations.Add(evaluation.Receipt);
                EndSum();
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
        RoundOpened round => OpenRound is null && round.Round == LastRound + 1 && (round.AtWork ?? 0) == _askings.Count && round.Cohort.Take(_askings.Count).SequenceEqual(_askings.Select(asking => asking.Client)),
        ClientAsked asked => IsBuffered && asked.Round == OpenRound?.Round && Closed is null,
        ReplyTaken reply => reply.Round == OpenRound?.Round && reply.Position >= 0 && reply.Position < _clients.Count,
        SetClosed closed => closed.Round == OpenRound?.Round && Closed is null,
        SumOpened sum => sum.Purpose == SumPurpose.Update ? sum.Round == OpenRound?.Round && Closed is not null : OpenRound is null && sum.Round == LastRound,
        SumStageClosed stage => stage.Round == OpenSum?.Round && (int)stage.Stage == _closedStages.Count,
        PrivacyReserved reserved => reserved.Round == OpenRound?.Round,
        RoundEnded ended => ended.Receipt.Round == OpenRound?.Round && ended.Receipt.Clients.Count == InReceipt().Count(),
        EvaluationEnded evaluation => OpenRound is null && evaluation.Receipt.Round == LastRound,
        CheckpointSaved saved => OpenRound is null && saved.Round == LastRound,
        _ => true,
    };

    /// <summary>What became of a client of the open round.</summary>
    /// <param name="position">Its place among <see cref="Clients"/>.</param>
    /// <returns>Its outcome; <see cref="ClientOutcome.Pending"/> without a reply.</returns>
    public ClientOutcome OutcomeOf(int position) => _replies[position]?.Outcome ?? ClientOutcome.Pending;

    /// <summary>Whose data the open round's noise hides: all who were asked, and where the set is closed those who reported.</summary>
    /// <returns>Their indices in the directory.</returns>
    internal IEnumerable<long> Exposed() => _clients.Where((_, position) => Closed is null || OutcomeOf(position) == ClientOutcome.Reported);

    /// <summary>Which places of the open round its receipt shows: all, but in a buffered run not those who are still at work.</summary>
    /// <returns>The places, in order.</returns>
    internal IEnumerable<int> InReceipt() => Enumerable.Range(0, _clients.Count).Where(position => !IsBuffered || _replies[position] is not null);

    // A buffered round takes replies in whatever number they come; what it wants is less than what is asked.
    private bool IsBuffered => OpenRound is { IsBuffered: true };

    private void Ask(long client, Asking? before = null)
    {
        int position = _clients.Count;
        _askings.Add(before ?? new Asking(client, OpenRound!.Round, position, Math.Max(OpenRound.Cohort.Count, position + 1), OpenRound.At, Checkpoint));
        _clients.Add(client);
        _replies.Add(null);
        Pending++;
    }

    private void EndSum()
    {
        OpenSum = null;
        _closedStages.Clear();
    }

    private void CloseRound()
    {
        EndSum();

        // In a buffered run those without a reply stay at work.
        List<Asking> atWork = [.. _askings.Where((_, position) => IsBuffered && _replies[position] is null)];
        OpenRound = null;
        Closed = null;
        OpenNoise = null;
        Reported = 0;
        Pending = 0;
        _clients.Clear();
        _askings.Clear();
        _askings.AddRange(atWork);
        _replies.Clear();
        _arrivals.Clear();
    }
}

/// <summary>Where and when a client was asked.</summary>
/// <param name="Client">Its index in the directory.</param>
/// <param name="Round">The round.</param>
/// <param name="Position">Its place among those who were asked in the round.</param>
/// <param name="CohortSize">How many were asked, as far as it was known then.</param>
/// <param name="At">When the round was opened.</param>
/// <param name="Start">The checkpoint of the model that it was given, where rounds count only with their checkpoints.</param>
internal sealed record Asking(long Client, int Round, int Position, int CohortSize, DateTimeOffset At, CheckpointSaved? Start);
