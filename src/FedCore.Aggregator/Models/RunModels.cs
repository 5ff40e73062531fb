using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;
using FedCore.Aggregator.Fleet;
using FedCore.Models;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Strategies;
using Google.Protobuf;

namespace FedCore.Aggregator.Models;

/// <summary>
/// A run's models in the store. Behind every round the server's state is written there: the model, the strategy's vectors, and a manifest that names them, whose
/// digest is the checkpoint's. Clients read the very same blobs.
/// </summary>
/// <param name="plan">The run, which need not be known to tell which models are kept.</param>
/// <param name="blobs">The store.</param>
/// <param name="keep">How many of the newest models are kept, at least 2; the first and the last one are kept in any case.</param>
/// <param name="inlineBytes">Up to this length a model comes along with its task.</param>
/// <param name="storage">Where the models that are read lie.</param>
internal sealed class RunModels(Lazy<RunPlan> plan, BlobReferences blobs, int keep, int inlineBytes, VectorStorage storage) : ICheckpointStore, IDisposable
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { RespectRequiredConstructorParameters = true };

    private readonly Lock _lock = new();
    private readonly List<Checkpoint> _kept = [];
    private readonly ConditionalWeakTable<ModelState, StoredBlob> _versions = [];
    private readonly Dictionary<string, int> _atWork = new(StringComparer.Ordinal);
    private ModelState? _server;
    private Checkpoint? _current;

    /// <inheritdoc/>
    public bool CommitsRounds => true;

    /// <summary>The models that are kept: the round behind which each stands, and the model.</summary>
    public IReadOnlyList<(int Round, StoredBlob Model)> Kept
    {
        get
        {
            lock (_lock) return [.. _kept.Select(checkpoint => (checkpoint.Round, checkpoint.Manifest.Model))];
        }
    }

    /// <inheritdoc/>
    public bool IsDue(int round) => true;

    /// <inheritdoc/>
    public async ValueTask<string> SaveAsync(int round, ServerState state, CancellationToken ct)
    {
        // What goes along with the model is there from the beginning.
        foreach (string name in plan.Value.Definition.Strategy.Broadcasts) state.Vector(name);
        var put = new List<StoredBlob>();
        StoredBlob stored;
        try
        {
            StoredBlob model = await PutAsync(stream => SafeTensors.Write(stream, state.Model, plan.Value.ModelMetadata)).ConfigureAwait(false);
            var vectors = new SortedDictionary<string, StoredBlob>(StringComparer.Ordinal);
            foreach ((string name, FlatVector vector) in state.Vectors) vectors[name] = await PutAsync(stream => Write(stream, vector)).ConfigureAwait(false);
            var manifest = new Manifest(plan.Value.StrategyName, model, vectors);
            byte[] json = JsonSerializer.SerializeToUtf8Bytes(manifest, Json);
            stored = await PutAsync(stream => stream.Write(json)).ConfigureAwait(false);
            Take(new Checkpoint(round, stored, manifest), state.Model);
        }
        catch
        {
            foreach (StoredBlob blob in put) blobs.Release(blob.Digest);
            throw;
        }

        DropOld();
        return stored.Digest;

        async ValueTask<StoredBlob> PutAsync(Action<Stream> write)
        {
            StoredBlob blob = await blobs.PutAsync(write, ct).ConfigureAwait(false);
            put.Add(blob);
            return blob;
        }
    }

    /// <inheritdoc/>
    public async ValueTask LoadAsync(CheckpointSaved saved, ServerState state, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(saved);
        Checkpoint checkpoint = await OpenAsync(saved, ct).ConfigureAwait(false);
        if (checkpoint.Manifest.Strategy != plan.Value.StrategyName)
        {
            throw FedCoreException.Configuration(
                "run.checkpoint", $"The saved state is of the strategy {Shown.Of(checkpoint.Manifest.Strategy)}, but the run's strategy is {plan.Value.StrategyName}.");
        }

        await using (Stream model = blobs.OpenStream(checkpoint.Manifest.Model.Digest)) SafeTensors.Read(model, state.Model);
        foreach ((string name, StoredBlob blob) in checkpoint.Manifest.Vectors)
        {
            await using Stream stream = blobs.OpenStream(blob.Digest);
            Read(stream, state.Vector(name));
        }

        foreach (string digest in checkpoint.Digests) blobs.Acquire(digest);
        Take(checkpoint, state.Model);
    }

    /// <inheritdoc/>
    public async ValueTask<ModelState> LoadModelAsync(CheckpointSaved saved, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(saved);
        var model = new ModelState(plan.Value.Model.Schema, storage);
        try
        {
            StoredBlob blob = (await OpenAsync(saved, ct).ConfigureAwait(false)).Manifest.Model;
            await using (Stream stream = blobs.OpenStream(blob.Digest)) SafeTensors.Read(stream, model);
            _versions.Add(model, blob);
            return model;
        }
        catch (FedCoreException fault)
        {
            model.Dispose();
            throw FedCoreException.Configuration("run.checkpoint", $"The model behind round {saved.Round} cannot be read: {fault.Message}", fault);
        }
    }

    /// <summary>Takes note of the checkpoints that the run's facts name, without reading what they hold, in place of those that it knew. Those of which something is gone are passed over.</summary>
    /// <param name="saved">The checkpoints, oldest first.</param>
    /// <param name="ct">Cancels the reading.</param>
    public async Task RecoverAsync(IEnumerable<CheckpointSaved> saved, CancellationToken ct)
    {
        var found = new List<Checkpoint>();
        foreach (CheckpointSaved one in saved)
        {
            if (!blobs.Contains(one.Digest)) continue;
            Checkpoint checkpoint = await OpenAsync(one, ct).ConfigureAwait(false);
            if (blobs.Contains(checkpoint.Manifest.Model.Digest)) found.Add(checkpoint);
        }

        // What this process knows already must not be given up in between.
        Checkpoint? newest = found.Count > 0 ? WithContent(found[^1]) : null;
        foreach (string digest in found.SelectMany(checkpoint => checkpoint.Digests)) blobs.Acquire(digest);
        Checkpoint[] known;
        lock (_lock)
        {
            known = [.. _kept];
            _kept.Clear();
            _kept.AddRange(found);
            _current = newest;
        }

        Release(known);
    }

    /// <summary>What goes to a client with a task. It stays in the store until it is returned.</summary>
    public TaskInputs InputsOf(SiteTask task)
    {
        ArgumentNullException.ThrowIfNull(task);
        lock (_lock)
        {
            Checkpoint current = _current ?? throw new InvalidOperationException("There is no model yet.");

            // A version of its own was made when it was the newest.
            StoredBlob model = ReferenceEquals(task.Model, _server) ? current.Manifest.Model : _versions.GetValue(task.Model, _ => current.Manifest.Model);
            (string, StoredBlob)[] broadcasts = task is TrainTask train ? [.. train.Broadcasts.Keys.Select(name => (name, current.Manifest.Vectors[name]))] : [];
            blobs.Acquire(model.Digest);
            _atWork[model.Digest] = _atWork.GetValueOrDefault(model.Digest) + 1;
            foreach ((_, StoredBlob values) in broadcasts) blobs.Acquire(values.Digest);
            return new TaskInputs(model, broadcasts);
        }
    }

    /// <summary>Ends the use of what went to a client.</summary>
    public void Return(TaskInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        blobs.Release(inputs.Model.Digest);
        lock (_lock)
        {
            if (--_atWork[inputs.Model.Digest] == 0) _atWork.Remove(inputs.Model.Digest);
        }

        foreach ((_, StoredBlob values) in inputs.Broadcasts) blobs.Release(values.Digest);
    }

    /// <inheritdoc/>
    public void Dispose() => _versions.Clear();

    private async ValueTask<Checkpoint> OpenAsync(CheckpointSaved saved, CancellationToken ct)
    {
        try
        {
            await using Stream stream = blobs.OpenStream(saved.Digest);
            Manifest manifest = await JsonSerializer.DeserializeAsync<Manifest>(stream, Json, ct).ConfigureAwait(false) ?? throw new JsonException("It is null.");
            return new Checkpoint(saved.Round, new StoredBlob(saved.Digest, stream.Length), manifest);
        }
        catch (JsonException fault)
        {
            throw FedCoreException.Configuration("run.checkpoint", $"The checkpoint behind round {saved.Round} ({saved.Digest}) is damaged: {fault.Message}", fault);
        }
    }

    private void Take(Checkpoint checkpoint, ModelState server)
    {
        checkpoint = WithContent(checkpoint);
        Checkpoint[] replaced;
        lock (_lock)
        {
            (_current, _server) = (checkpoint, server);
            replaced = [.. _kept.Where(old => old.Round >= checkpoint.Round)];
            _kept.RemoveAll(old => old.Round >= checkpoint.Round);
            _kept.Add(checkpoint);
        }

        Release(replaced);
    }

    private Checkpoint WithContent(Checkpoint checkpoint)
    {
        StoredBlob model = checkpoint.Manifest.Model;
        return model.Length > inlineBytes ? checkpoint : checkpoint with { Manifest = checkpoint.Manifest with { Model = model with { Content = ContentOf(model) } } };
    }

    // The first one stays, and so does what clients at work have started from.
    private void DropOld()
    {
        Checkpoint[] old;
        lock (_lock)
        {
            old = [.. _kept.Skip(1).SkipLast(keep).Where(checkpoint => !_atWork.ContainsKey(checkpoint.Manifest.Model.Digest))];
            _kept.RemoveAll(old.Contains);
        }

        Release(old);
    }

    private void Release(Checkpoint[] checkpoints)
    {
        foreach (string digest in checkpoints.SelectMany(checkpoint => checkpoint.Digests)) blobs.Release(digest);
    }

    private ByteString ContentOf(StoredBlob blob)
    {
        using Stream stream = blobs.OpenStream(blob.Digest);
        return ByteString.FromStream(stream);
    }

    private static void Write(Stream stream, FlatVector vector)
    {
        foreach ((long offset, int count) in VectorBlocks.Of(vector.Length)) stream.Write(MemoryMarshal.AsBytes(vector.Slice(offset, count)));
    }

    private static void Read(Stream stream, FlatVector vector)
    {
        foreach ((long offset, int count) in VectorBlocks.Of(vector.Length)) stream.ReadExactly(MemoryMarshal.AsBytes(vector.Slice(offset, count)));
    }

    private sealed record Manifest(string Strategy, StoredBlob Model, IReadOnlyDictionary<string, StoredBlob> Vectors);

    private sealed record Checkpoint(int Round, StoredBlob Blob, Manifest Manifest)
    {
        public IEnumerable<string> Digests => [Blob.Digest, Manifest.Model.Digest, .. Manifest.Vectors.Values.Select(vector => vector.Digest)];
    }
}
