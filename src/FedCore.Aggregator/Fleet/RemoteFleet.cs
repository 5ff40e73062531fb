using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using FedCore.Aggregator.Models;
using FedCore.Aggregator.Sites;
using FedCore.Aggregator.Spooling;
using FedCore.Aggregator.Telemetry;
using FedCore.Compression;
using FedCore.Protocol.Transfers;
using FedCore.Rounds;
using FedCore.SecureAggregation.Identity;
using FedCore.Strategies;
using FedCore.Updates;

namespace FedCore.Aggregator.Fleet;

/// <summary>
/// The sites of a run as the round engine sees them. A task waits for its site's next call; its answer comes over the wire, or, where it came before the process
/// was restarted, from the spool.
/// </summary>
internal sealed class RemoteFleet : ChannelReader<FleetReply>, IFleet, IClientDirectory
{
    // Rounds that come to nothing at once would use a run's patience up in a second. Ten of them take eight minutes, and a site that is mended is soon asked again.
    private const double LongestPauseSeconds = 300;

    private readonly Channel<FleetReply> _replies = Channel.CreateUnbounded<FleetReply>(new UnboundedChannelOptions { SingleReader = true });
    private readonly ConcurrentDictionary<SiteTask, RemoteTask> _tasks = new(ReferenceEqualityComparer.Instance);
    private readonly ConcurrentDictionary<string, SpooledUpdate> _recovered;
    private readonly TaskCompletionSource _settled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IReadOnlyList<Site> _sites;
    private readonly SiteIdentities _identities;
    private readonly SiteDirectory _directory;
    private readonly TaskBoard _board;
    private readonly RunModels _models;
    private readonly RunGate _gate;
    private readonly Spool _spool;
    private readonly TimeProvider _clock;

    /// <param name="run">The run, as its coordinator named it.</param>
    /// <param name="plan">The run.</param>
    /// <param name="definition">Its definition, in the store.</param>
    /// <param name="sites">Its sites, in cohort order.</param>
    /// <param name="identities">Their identity keys.</param>
    /// <param name="directory">Says when sites come and go.</param>
    /// <param name="board">Where sites find their tasks.</param>
    /// <param name="models">The run's models, in the store.</param>
    /// <param name="gate">Holds rounds up.</param>
    /// <param name="spool">Where updates lie.</param>
    /// <param name="recovered">Updates that came before the process was restarted.</param>
    /// <param name="clock">The clock.</param>
    public RemoteFleet(
        string run, RunPlan plan, StoredBlob definition, IReadOnlyList<Site> sites, SiteIdentities identities, SiteDirectory directory, TaskBoard board, RunModels models, RunGate gate, Spool spool,
        IEnumerable<(string TaskId, SpooledUpdate Update)> recovered, TimeProvider clock)
    {
        (Run, Plan, Definition, _sites, _identities, _directory, _board, _models, _gate, _spool, _clock) = (run, plan, definition, sites, identities, directory, board, models, gate, spool, clock);
        Trace = new RunTrace(run);
        _recovered = new ConcurrentDictionary<string, SpooledUpdate>(StringComparer.Ordinal);
        foreach ((string id, SpooledUpdate update) in recovered)
            if (!_recovered.TryAdd(id, update)) update.Release();
    }

    /// <summary>The run, as its coordinator named it.</summary>
    public string Run { get; }

    /// <summary>What is told of the run to who watches the time.</summary>
    public RunTrace Trace { get; }

    /// <summary>The run.</summary>
    public RunPlan Plan { get; }

    /// <summary>The run's definition, in the store.</summary>
    public StoredBlob Definition { get; }

    /// <summary>Ends when the engine has taken up what was left of an earlier process: from then on a task that is not on the board is not wanted.</summary>
    public Task Settled => _settled.Task;

    public bool KeepsUpdates => true;

    public ISiteIdentities Identities => _identities;

    /// <summary>The identity keys of the run's sites, for a site that has no roster.</summary>
    public IEnumerable<(string Site, ReadOnlyMemory<byte> Key)> IdentityKeys => _identities.All;

    public IClientDirectory Clients => this;

    public ChannelReader<FleetReply> Replies => this;

    long IClientDirectory.Count => _sites.Count;

    public ClientDescriptor Get(long index)
    {
        Site site = _sites[(int)index];
        return new ClientDescriptor(index, new ClientId(site.Name)) { Cores = site.Cores, MemoryBytes = site.MemoryBytes, IsAway = !site.MayAnswer };
    }

    public async ValueTask WaitAsync(int needed, int abandoned, CancellationToken ct)
    {
        _settled.TrySetResult();
        ReleaseEvaluations();
        if (abandoned > 0)
        {
            TimeSpan pause = TimeSpan.FromSeconds(Math.Min(LongestPauseSeconds, Math.Pow(2, abandoned - 1)));
            _gate.WaitFor($"{abandoned} {(abandoned == 1 ? "round was" : "rounds in a row were")} abandoned; the next one begins {pause.TotalSeconds:0} s later");
            await Task.Delay(pause, _clock, ct).ConfigureAwait(false);
        }

        while (true)
        {
            await _gate.PassAsync(ct).ConfigureAwait(false);
            var changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            void OnChanged() => changed.TrySetResult();
            _directory.Changed += OnChanged;
            try
            {
                int present = _sites.Count(site => site.IsPresent);
                _gate.WaitFor(present < needed ? $"{present} of {needed} sites that a round needs are connected" : null);
                if (present >= needed) return;
                await changed.Task.WaitAsync(ct).ConfigureAwait(false);
            }
            finally
            {
                _directory.Changed -= OnChanged;
            }
        }
    }

    public IUpdateSource? Recall(ClientDescriptor from, TrainTask task)
    {
        RemoteTask remote = Put(from, task);
        if (!_recovered.TryRemove(remote.Id, out SpooledUpdate? update))
        {
            Take(remote);
            return null;
        }

        remote.TryAnswer(update);
        return SourceOf(task, update);
    }

    public ValueTask SendAsync(ClientDescriptor to, SiteTask task, CancellationToken ct)
    {
        RemoteTask remote = Put(to, task);
        if (_recovered.TryRemove(remote.Id, out SpooledUpdate? update)) Answer(remote, update, null, null);
        else if (!remote.Site.MayAnswer) Fail(remote, ClientOutcome.Lost, "client.absent");
        else remote.Site.Add(remote);
        return ValueTask.CompletedTask;
    }

    public void Withdraw(SiteTask task)
    {
        if (_tasks.TryGetValue(task, out RemoteTask? remote)) Take(remote);
    }

    public ReadOnlyMemory<byte> AssignmentOf(SiteTask task) => Assignment.DigestOf(TaskWire.OfferOf(_tasks[task], []));

    public void Release(ExchangeTask task) => Withdraw(task);

    public void Settle(TrainTask task, bool counts)
    {
        if (_tasks.TryGetValue(task, out RemoteTask? remote)) Take(remote);
    }

    /// <summary>Takes a durable update that answers a task.</summary>
    /// <returns>Whether it was waited for; if not, its room is given back.</returns>
    public bool Answer(RemoteTask remote, SpooledUpdate update, int? steps, int? plannedSteps)
    {
        if (!remote.TryAnswer(update))
        {
            update.Release();
            return false;
        }

        remote.Site.Remove(remote);
        return _replies.Writer.TryWrite(remote.Task is ExchangeTask
            ? new FleetReply(remote.Task, ClientOutcome.Reported) { Answer = new SpooledAnswer(update) }
            : new FleetReply(remote.Task, ClientOutcome.Reported, SourceOf(remote.Task, update), Steps: steps, PlannedSteps: plannedSteps));
    }

    /// <summary>Takes note that a task will not be answered.</summary>
    public void Fail(RemoteTask remote, ClientOutcome outcome, string reason)
    {
        if (!remote.TryClose(outcome.ToString().ToLowerInvariant())) return;
        _spool.Drop(Run, remote.Label.Span);
        remote.Site.Remove(remote);
        _board.Remove(remote);
        _replies.Writer.TryWrite(new FleetReply(remote.Task, outcome, Reason: reason));
    }

    /// <summary>Takes tasks of which nothing was heard for long for lost.</summary>
    /// <param name="before">Nothing was heard since this time stamp.</param>
    public void LoseSilent(long before)
    {
        foreach (RemoteTask remote in _tasks.Values)
            if (remote.IsOpen && remote.LastHeard < before) Fail(remote, ClientOutcome.Lost, "client.silent");
    }

    /// <summary>Takes all tasks down, and gives all room in the spool back: the run is over.</summary>
    public void End()
    {
        foreach (RemoteTask remote in _tasks.Values) Take(remote);
        foreach (SpooledUpdate update in _recovered.Values) update.Release();
        _recovered.Clear();
        Trace.Close("ended");
    }

    /// <summary>Holds all tasks, for a fleet that follows: their sites keep what they have.</summary>
    /// <param name="updates">Receives the updates that came, by their tasks.</param>
    /// <param name="held">Receives the tasks, by their names.</param>
    public void Leave(ICollection<(string TaskId, SpooledUpdate Update)> updates, IDictionary<string, RemoteTask> held)
    {
        foreach (RemoteTask remote in _tasks.Values)
        {
            if (remote.IsWanted) held[remote.Id] = remote;
            else _board.Remove(remote);
            if (remote.Hold() is { } update) updates.Add((remote.Id, update));
            remote.Site.Remove(remote);
            Return(remote);
        }

        foreach ((string id, SpooledUpdate update) in _recovered) updates.Add((id, update));
        _tasks.Clear();
        _recovered.Clear();
        Trace.Close("interrupted");
    }

    public override bool TryRead([MaybeNullWhen(false)] out FleetReply item) => _replies.Reader.TryRead(out item);

    public override ValueTask<bool> WaitToReadAsync(CancellationToken cancellationToken = default)
    {
        // The engine waits for answers when all tasks that it knows of are out.
        _settled.TrySetResult();
        return _replies.Reader.WaitToReadAsync(cancellationToken);
    }

    private RemoteTask Put(ClientDescriptor to, SiteTask task)
    {
        TaskInputs? inputs = task is ExchangeTask ? null : _models.InputsOf(task);
        RemoteTask? of = task is ExchangeTask exchange ? _tasks[exchange.Of] : null;
        Site site = _sites[(int)to.Index];
        var remote = new RemoteTask(TaskWire.IdOf(Run, Plan, task, site.Name, inputs?.Model.Digest ?? of!.Id), this, site, task, inputs, of, _clock);
        _tasks[task] = remote;
        of?.Exchanges.Enqueue(remote);
        _board.Add(remote);
        return remote;
    }

    private void Take(RemoteTask remote)
    {
        foreach (RemoteTask exchange in remote.Exchanges) Take(exchange);
        remote.TryClose("withdrawn");
        remote.Site.Remove(remote);
        _board.Remove(remote);
        if (_tasks.TryRemove(remote.Task, out _)) Return(remote);
        remote.Release();

        // Also of a task that was answered: its site may have begun another update, or the same one over another line.
        _spool.Drop(Run, remote.Label.Span);
    }

    private void Return(RemoteTask remote)
    {
        if (remote.Inputs is { } inputs) _models.Return(inputs);
    }

    // An evaluation has no end that the fleet hears of; before a round none goes on.
    private void ReleaseEvaluations()
    {
        foreach (RemoteTask remote in _tasks.Values)
            if (remote.Task is EvaluateTask || (!remote.IsOpen && remote.Update is null)) Take(remote);
    }

    /// <summary>What an answer to a task must be.</summary>
    public AnswerForm FormOf(SiteTask task) => task switch
    {
        ExchangeTask exchange => new AnswerForm(exchange.MostBytes),
        _ when Plan.Definition.SecureAggregation is not null => new AnswerForm(ReadyAnswer.Bytes.Length) { Digest = ReadyAnswer.Digest },
        _ => new AnswerForm(CodecOf(task).MaxByteLength) { BeginCheck = bytes => CodecOf(task).BeginCheck(bytes, task.Round, WeightingOf(task)) },
    };

    private UpdateCodec CodecOf(SiteTask task) => task is TrainTask ? Plan.WireCodec : Plan.EvaluateCodec;

    private ClientWeighting? WeightingOf(SiteTask task) => task is TrainTask train && !Plan.Definition.Strategy.HasOwnWeights ? train.Work.Weighting : null;

    private SpooledSource SourceOf(SiteTask task, SpooledUpdate update) => new(CodecOf(task), update, task.Round);

    private sealed class SpooledSource(UpdateCodec codec, SpooledUpdate update, int round) : IUpdateSource
    {
        public ValueTask<IUpdateReader> OpenAsync(CancellationToken ct) => ValueTask.FromResult(codec.Open(update.OpenRead(), round));
    }

    private sealed class SpooledAnswer(SpooledUpdate update) : IExchangeAnswer
    {
        public ValueTask<IEncodedUpdate> OpenAsync(CancellationToken ct) => ValueTask.FromResult(update.OpenRead());
    }
}
