using FedCore.Client.Models;
using FedCore.Client.Outbox;
using FedCore.Client.State;
using FedCore.Compression;
using FedCore.Models;
using FedCore.Numerics;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.Training;
using FedCore.Training.Data;
using FedCore.Updates;

namespace FedCore.Client.Tasks;

/// <summary>What a run takes at a site while it is worked for: its plan, the site's examples as it needs them, a model with its buffers. One task at a time.</summary>
internal sealed class RunRoom : IDisposable
{
    private readonly ITrainingWorkspace _workspace;
    private readonly WorkThread _thread;
    private readonly SiteState _state;
    private readonly UpdateEncoder _trainEncoder, _evaluateEncoder;
    private readonly Dictionary<string, (string Digest, FlatVector Values)> _broadcasts = new(StringComparer.Ordinal);
    private (string Digest, ModelState State)? _model;

    /// <param name="plan">The run.</param>
    /// <param name="site">The site's name.</param>
    /// <param name="data">Its examples.</param>
    /// <param name="workspace">What trains; it belongs to the room from now on.</param>
    /// <param name="thread">Where it does.</param>
    /// <param name="stateFolder">Where the client's state of the run lies.</param>
    public RunRoom(RunPlan plan, string site, ClientData data, ITrainingWorkspace workspace, WorkThread thread, string stateFolder)
    {
        (Plan, Site, Data, _workspace, _thread, _state) = (plan, site, data, workspace, thread, new SiteState(stateFolder));
        (_trainEncoder, _evaluateEncoder) = (plan.WireCodec.CreateEncoder(), plan.EvaluateCodec.CreateEncoder());
    }

    public RunPlan Plan { get; }

    public string Site { get; }

    public ClientData Data { get; }

    public WorkPace Pace { get; } = new();

    /// <summary>Whether the last training left something that is not finite, where a whole client is hidden: it answers as if it had learned nothing, since that it declines would say something of its data.</summary>
    public bool CountsAsNothing { get; private set; }

    /// <summary>When the room was used last, as a time stamp.</summary>
    public long LastUsed { get; set; }

    /// <summary>Gets the model and what goes along with it into memory.</summary>
    public async Task LoadAsync(TaskOffer offer, BlobDownloads downloads, CancellationToken ct)
    {
        // What the last task left behind reads its model to the end.
        await _thread.WaitAsync(ct).ConfigureAwait(false);
        await LoadModelAsync(offer.Model, downloads, ct).ConfigureAwait(false);
        if (offer.WorkCase != TaskOffer.WorkOneofCase.Train) return;
        foreach (string name in Plan.Definition.Strategy.Broadcasts)
        {
            Blob blob = offer.Broadcasts.First(broadcast => broadcast.Name == name).Values;
            string digest = DigestOf(blob);
            if (_broadcasts.TryGetValue(name, out (string Digest, FlatVector Values) known) && known.Digest == digest) continue;
            string path = await downloads.GetAsync(blob, $"The vector '{Shown.Of(name)}'", ct).ConfigureAwait(false);
            FlatVector values = known.Values ?? new FlatVector(Plan.Model.Schema.TrainableCount);
            _broadcasts[name] = ("", values);
            VectorFile.Read(path, values);
            _broadcasts[name] = (digest, values);
        }
    }

    /// <summary>Trains, and writes the update down.</summary>
    /// <param name="offer">The task; what goes with it is loaded.</param>
    /// <param name="steps">How many steps to take.</param>
    /// <param name="deadline">When the answer must be there; null for no limit.</param>
    /// <param name="draft">Receives the update's bytes.</param>
    /// <param name="ct">Cancels the training.</param>
    /// <returns>What was learned beside the update; null for nothing that is kept.</returns>
    /// <exception cref="UpdateRefusedException">The update, or what the client would keep, is not finite, and the run does not promise that nobody learns so (<see cref="CountsAsNothing"/>).</exception>
    public async Task<SiteState?> TrainAsync(TaskOffer offer, int steps, DateTimeOffset? deadline, UpdateDraft draft, CancellationToken ct)
    {
        TrainTask task = TaskBuilder.TrainTaskOf(offer, Plan, _model!.Value.State, deadline) with { Broadcasts = _broadcasts.ToDictionary(one => one.Key, one => one.Value.Values) };
        _state.Begin();
        Update update = await _thread.RunAsync(ended => _workspace.TrainAsync(task, Site, Data, steps, _state, ended).AsTask().GetAwaiter().GetResult(), () => _workspace.Batches, ct).ConfigureAwait(false);
        CountsAsNothing = Plan.Privacy is { IsAtSites: false } && !(update.IsFinite && _state.IsFinite);
        if (CountsAsNothing) update.CountAsNothing();
        if (!update.IsFinite) throw NotFinite("The update is");
        _trainEncoder.Encode(update, _state, task.Round, Plan.Random.Stream("rounding", task.Round, Site), draft.Bytes);
        using (UpdateFileReader bytes = draft.Seal())
            if (Plan.Codec is not null) Plan.Codec.Check(bytes, task.Round);
        if (!Plan.KeepsClientState || CountsAsNothing) return null;
        return _state.IsFinite ? _state : throw NotFinite("What the site would keep of this round is");
    }

    /// <summary>Evaluates, and writes the sums down.</summary>
    /// <param name="offer">The task; what goes with it is loaded.</param>
    /// <param name="draft">Receives the sums' bytes.</param>
    /// <param name="ct">Cancels the waiting for the result.</param>
    public async Task EvaluateAsync(TaskOffer offer, UpdateDraft draft, CancellationToken ct)
    {
        EvaluateTask task = TaskBuilder.EvaluateTaskOf(offer, Plan, _model!.Value.State);
        _state.Begin();
        Update sums = await _thread.RunAsync(_ => _workspace.Evaluate(task, Site, Data, _state), () => _workspace.Batches, ct).ConfigureAwait(false);
        if (!sums.IsFinite) throw NotFinite("The result of the evaluation is");
        _evaluateEncoder.Encode(sums, _state, task.Round, Plan.Random.Stream("rounding", task.Round, Site), draft.Bytes);
        draft.Seal().Dispose();
    }

    /// <summary>Gives the memory back, when nobody works in it any more.</summary>
    public void Dispose() => _thread.Last.ContinueWith(_ => Free(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

    // A round's model has an object of its own: by that a workspace knows whether it has loaded it.
    private async Task LoadModelAsync(Blob blob, BlobDownloads downloads, CancellationToken ct)
    {
        string digest = DigestOf(blob);
        if (_model?.Digest == digest) return;
        string path = await downloads.GetAsync(blob, "The model", ct).ConfigureAwait(false);
        _model?.State.Dispose();
        _model = null;
        var state = new ModelState(Plan.Model.Schema);
        try
        {
            await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 1 << 20);
            SafeTensors.Read(file, state);
            _model = (digest, state);
        }
        finally
        {
            if (_model is null) state.Dispose();
        }
    }

    private void Free()
    {
        _workspace.Dispose();
        _state.Dispose();
        _trainEncoder.Dispose();
        _evaluateEncoder.Dispose();
        _model?.State.Dispose();
        foreach ((_, FlatVector values) in _broadcasts.Values) values.Dispose();
    }

    private static string DigestOf(Blob blob) => Convert.ToHexStringLower(blob.Digest.Span);

    private static UpdateRefusedException NotFinite(string what) => new(
        UpdateRefusedException.NotFinite, $"{what} not finite: the training diverged, or the examples hold values far from what the run expects. Look at the data, or ask for a smaller learning rate.");
}
