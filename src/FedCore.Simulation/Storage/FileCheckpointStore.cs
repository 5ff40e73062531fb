using System.Security.Cryptography;
using FedCore.Rounds;
using FedCore.Strategies;

namespace FedCore.Simulation.Storage;

/// <summary>Keeps the last checkpoint in a folder. A new one is written beside it, made durable, and only then takes its place.</summary>
/// <param name="folder">The folder, which must exist.</param>
/// <param name="plan">The run.</param>
/// <param name="interval">The least time between checkpoints; the last round is always kept.</param>
/// <param name="clock">The clock that the interval is measured by.</param>
public sealed class FileCheckpointStore(string folder, RunPlan plan, TimeSpan interval, TimeProvider clock) : ICheckpointStore
{
    private long _last = clock.GetTimestamp();

    /// <inheritdoc/>
    public bool IsDue(int round) => clock.GetElapsedTime(_last) >= interval;

    /// <inheritdoc/>
    public ValueTask<string> SaveAsync(int round, ServerState state, CancellationToken ct)
    {
        string path = PathOf(round), partial = path + ".partial";
        var metadata = new Dictionary<string, string> { ["fedcore.run"] = plan.Hash, ["fedcore.round"] = $"{round}" };
        string digest;
        using (FileStream file = File.Create(partial))
        {
            using (var hash = SHA256.Create())
            {
                using (var stream = new CryptoStream(file, hash, CryptoStreamMode.Write, leaveOpen: true)) ServerCheckpoint.Write(stream, state, plan.StrategyName, metadata);
                digest = "sha256:" + Convert.ToHexStringLower(hash.Hash!);
            }

            file.Flush(flushToDisk: true);
        }

        File.Move(partial, path, overwrite: true);
        foreach (string older in Directory.EnumerateFiles(folder, "checkpoint-*.safetensors"))
            if (older != path && older != PathOf(_previous)) File.Delete(older);
        _previous = round;
        _last = clock.GetTimestamp();
        return new ValueTask<string>(digest);
    }

    /// <inheritdoc/>
    public ValueTask LoadAsync(CheckpointSaved saved, ServerState state, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(saved);
        string path = PathOf(saved.Round);
        try
        {
            using FileStream file = File.OpenRead(path);
            string digest = "sha256:" + Convert.ToHexStringLower(SHA256.HashData(file));
            if (digest != saved.Digest)
                throw FedCoreException.Configuration("run.checkpoint", $"{path}: the checkpoint was changed: its digest is {digest} instead of {saved.Digest}. Start the run anew.");
            file.Position = 0;
            ServerCheckpoint.Read(file, state, plan.StrategyName);
            _previous = saved.Round;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw FedCoreException.Configuration("run.checkpoint", $"{path}: the checkpoint cannot be read ({fault.Message}). Start the run anew.", fault);
        }

        return ValueTask.CompletedTask;
    }

    // The journal may still name the checkpoint before the newest, if the process ends between file and fact.
    private int _previous;

    private string PathOf(int round) => Path.Combine(folder, $"checkpoint-{round:D6}.safetensors");
}
