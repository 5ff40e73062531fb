using FedCore.Aggregator.Fleet;
using FedCore.Aggregator.Journal;
using FedCore.Aggregator.Models;
using FedCore.Aggregator.Sites;
using FedCore.Aggregator.Spooling;
using FedCore.Aggregator.Telemetry;
using FedCore.Models;
using FedCore.Numerics;
using FedCore.Privacy.Sampling;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.Strategies;

namespace FedCore.Aggregator.Runs;

/// <summary>A run: its engine, fleet, journal and models. A fault of one run leaves the others alone.</summary>
internal sealed class RunHost : IProgress<RunEvent>, IAsyncDisposable
{
    /// <summary>The code of the end of a run that its coordinator ended.</summary>
    public const string Cancelled = "run.cancelled";

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1), LongestPause = TimeSpan.FromMinutes(1);

    private readonly AggregatorParts _parts;
    private readonly RunDocument _document;
    private readonly RunJournal _journal;
    private readonly RunStatus _status;
    private readonly UnsettledTasks _unsettled;
    private readonly TaskCompletionSource _recovered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private RemoteFleet? _fleet;
    private Task _work = Task.CompletedTask;
    private Task? _cancelling;
    private bool _isCancelled;

    public RunHost(AggregatorParts parts, RunCreated created, RunDocument document, IReadOnlyList<Site> sites, bool isPaused, bool isCancelled, IReadOnlyList<(string TaskId, SpooledUpdate Update)> recovered)
    {
        (_parts, Created, _document, Sites, _isCancelled) = (parts, created, document, sites, isCancelled);
        Gate = new RunGate(isPaused);
        _status = new RunStatus(Gate);
        _unsettled = new UnsettledTasks(Id, parts.Board, parts.Spool, recovered);
        Models = new RunModels(document.Plan, parts.Blobs, parts.Settings.KeepModels, parts.Settings.InlineBytes, parts.Vectors);
        _journal = new RunJournal(parts.Log, RunFact.StreamOf(Id), new RunEventJson(parts.Registry));
    }

    public RunCreated Created { get; }

    public string Id => Created.Run;

    public StoredBlob Definition => _document.Stored;

    public IReadOnlyList<Site> Sites { get; }

    public RunGate Gate { get; }

    public RunModels Models { get; }

    /// <summary>Ends when it is known which tasks of an earlier process are still wanted.</summary>
    public Task Settled => _unsettled.Settled;

    /// <summary>Ends when it has taken hold of its models. While its journal cannot be read nobody knows which they are.</summary>
    public Task Recovered => _recovered.Task;

    /// <inheritdoc cref="RunStatus.Changed"/>
    public Task Changed => _status.Changed;

    /// <summary>Whether the run is over.</summary>
    public bool HasEnded => _status.HasEnded;

    /// <inheritdoc cref="RunStatus.Receipts"/>
    public IReadOnlyList<RoundReceipt> Receipts => _status.Receipts;

    /// <summary>Begins, or goes on, in the background.</summary>
    public void Start() => _work = Task.Run(WorkAsync);

    /// <summary>Takes tasks of which nothing was heard for long for lost.</summary>
    public void LoseSilent(long before) => _fleet?.LoseSilent(before);

    /// <summary>What became of a training task of a site; null while it is not known.</summary>
    public bool? SettlementOf(string site, int round, int position) => _status.SettlementOf(site, round, _document.HidesCohorts ? null : position);

    /// <summary>The run as coordinators see it.</summary>
    public Run Describe()
    {
        var run = new Run
        {
            RunId = Id,
            Hash = Google.Protobuf.ByteString.CopyFrom(StoredBlob.BytesOf(Definition.Digest)),
            Rounds = _document.Rounds,
            CreatedUnixMilliseconds = Created.At.ToUnixTimeMilliseconds(),
            Definition = Definition.ToMessage(),
        };
        run.Sites.AddRange(Sites.Select(site => site.Name));
        _status.Describe(run);

        // In this order: the model of a round that is told to have ended is there.
        if (Models.Kept is [.., var newest]) (run.Model, run.ModelRound) = (newest.Model.ToMessage(), newest.Round);
        return run;
    }

    /// <summary>Ends the run for good, once, whoever asks for it and hangs up. Where that fails it can be asked for again.</summary>
    public Task CancelAsync()
    {
        lock (_lock) return _cancelling is { IsFaulted: false } ? _cancelling : _cancelling = Task.Run(StopAndEndAsync);
    }

    public void Report(RunEvent value)
    {
        _status.Take(value);
        _parts.Metrics.Count(Id, value);
        _fleet?.Trace.Take(value);
        if (value is RoundEnded { Receipt: var receipt }) Log.RoundEnded(_parts.Logger, Id, receipt.Round, receipt.Committed, receipt.Contributors, receipt.Reason);
        if (value is RunEnded ended) Log.RunEnded(_parts.Logger, Id, ended.Code, ended.Message);
        _status.RaiseChanged();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _work.ConfigureAwait(false);
        _stop.Dispose();
        Models.Dispose();
    }

    // A disk that is full, or a database that is away, holds the run up until it is over.
    private async Task WorkAsync()
    {
        for (TimeSpan pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            try
            {
                await RunOnceAsync(_stop.Token).ConfigureAwait(false);
                return;
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (FedCoreException fault) when (HasEnded)
            {
                Log.RunFailed(_parts.Logger, Id, fault.Code, fault.Message);
                return;
            }
            catch (Exception fault)
            {
                Log.RunHeldUp(_parts.Logger, Id, pause.TotalSeconds, fault);
                _status.HoldUp(fault.Message);

                // The sites of other runs do not wait for it.
                _unsettled.StopWaiting();
            }

            try
            {
                await Task.Delay(pause, _parts.Clock, _stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task RunOnceAsync(CancellationToken ct)
    {
        await Models.RecoverAsync(await ReadAsync(ct).ConfigureAwait(false), ct).ConfigureAwait(false);
        _recovered.TrySetResult();
        if (_isCancelled) await EndCancelledAsync(ct).ConfigureAwait(false);
        if (HasEnded)
        {
            Forget();
            return;
        }

        RunPlan plan;
        try
        {
            plan = _document.Plan.Value;
        }
        catch (FedCoreException fault)
        {
            // What it names is not there, which only another start can change. The sites of other runs do not wait for it.
            Log.RunCannotGoOn(_parts.Logger, Id, fault.Code, fault.Message);
            _status.HoldUp(fault.Message);
            _unsettled.StopWaiting();
            return;
        }

        using var pool = new FlatVectorPool(_parts.Vectors);
        using ServerState server = await FirstStateAsync(plan, ct).ConfigureAwait(false);
        var fleet = new RemoteFleet(Id, plan, Definition, Sites, new SiteIdentities(Sites, _parts.Roster), _parts.Sites, _parts.Board, Models, Gate, _parts.Spool, _unsettled.TakeUpdates(), _parts.Clock);
        var engine = new RoundEngine(plan, fleet, _journal, new RoundEngineOptions
        {
            Clock = _parts.Clock,
            Threads = _parts.Settings.Threads,
            Pool = pool,
            PartialSumBytes = 0,
            Checkpoints = Models,
            Ledger = _parts.Privacy.For(Id, [.. Sites.Select(site => site.Name)]),
            NoiseKey = plan.Privacy is { Tree: not null } ? _parts.NoiseKey.Value : NoiseKey.OfProcess,
            Progress = this,
        });
        if (_status.OpenRound is { } open) fleet.Trace.Open(open);
        _fleet = fleet;
        _unsettled.SettleWith(fleet, ct);
        try
        {
            await engine.RunAsync(server, ct).ConfigureAwait(false);
        }
        finally
        {
            _fleet = null;
            if (HasEnded)
            {
                fleet.End();
                Forget();
            }
            else
            {
                _unsettled.TakeFrom(fleet);
            }
        }
    }

    // Where the run stands by its journal; and all its checkpoints.
    private async Task<IReadOnlyList<CheckpointSaved>> ReadAsync(CancellationToken ct)
    {
        var state = new RunState();
        var saved = new List<CheckpointSaved>();
        await foreach (RunEvent fact in _journal.ReadAsync(ct).ConfigureAwait(false))
        {
            state.Apply(fact);
            if (state.Checkpoint is { } checkpoint && (saved.Count == 0 || saved[^1] != checkpoint)) saved.Add(checkpoint);
        }

        _status.Reset(state);
        return saved;
    }

    private async ValueTask<ServerState> FirstStateAsync(RunPlan plan, CancellationToken ct)
    {
        if (Created.Start is not { } start) return new ServerState(ModelState.Initialize(plan.Model, plan.World.Stream("model"), _parts.Vectors));
        var model = new ModelState(plan.Model.Schema, _parts.Vectors);
        try
        {
            await using Stream stream = _parts.Blobs.OpenStream(start);
            SafeTensors.Read(stream, model);
            return new ServerState(model);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private async Task StopAndEndAsync()
    {
        _isCancelled = true;
        await _stop.CancelAsync().ConfigureAwait(false);
        await _work.ConfigureAwait(false);
        await EndCancelledAsync(CancellationToken.None).ConfigureAwait(false);
    }

    // It may not have begun, or its last fact may be lost: what the journal holds decides what the end follows.
    private async Task EndCancelledAsync(CancellationToken ct)
    {
        await ReadAsync(ct).ConfigureAwait(false);
        if (!_status.HasBegun) await RecordAsync(new RunOpened(Definition.Digest, ""), ct).ConfigureAwait(false);
        if (!_status.HasEnded) await RecordAsync(new RunEnded(Cancelled, "its coordinator ended it"), ct).ConfigureAwait(false);
        Forget();
    }

    private async Task RecordAsync(RunEvent fact, CancellationToken ct)
    {
        await _journal.AppendAsync(fact, ct).ConfigureAwait(false);
        Report(fact);
    }

    private void Forget()
    {
        _unsettled.Clear();
        _status.RaiseChanged();
    }
}
