using System.Text.Json;
using FedCore.Numerics;
using FedCore.Rounds;

namespace FedCore.Simulation.ClientStates;

/// <summary>
/// What simulated clients keep from round to round, in files: in a run's folder, where a resumed run finds them again, or in temporary ones. A client's vector
/// takes room from the first round in which its update counted.
/// </summary>
/// <param name="folder">The folder; null for temporary files.</param>
internal sealed class ClientStateStore(string? folder) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, SlotFile> _files = new(StringComparer.Ordinal);
    private readonly Dictionary<TrainTask, List<Written>> _unsettled = new(ReferenceEqualityComparer.Instance);
    private int _saved;

    /// <summary>Reads a client's vector, or answers false where it has none.</summary>
    public bool TryRead(string name, long client, FlatVector vector)
    {
        SlotFile? file;
        lock (_lock)
            if (!_files.TryGetValue(name, out file)) return false;
        return file.TryRead(client, vector);
    }

    /// <summary>Keeps a client's vector until the update that it belongs to is settled.</summary>
    public void Write(string name, long client, FlatVector vector, TrainTask task)
    {
        SlotFile? file;
        lock (_lock)
            if (!_files.TryGetValue(name, out file)) _files[name] = file = Open(name, vector.Length);
        int slot = file.Write(vector);
        lock (_lock)
        {
            if (!_unsettled.TryGetValue(task, out List<Written>? written)) _unsettled[task] = written = [];
            written.Add(new Written(file, client, slot));
        }
    }

    /// <summary>Makes what was written for a task the client's state, or drops it.</summary>
    public void Settle(TrainTask task, bool counts)
    {
        List<Written>? written;
        lock (_lock)
            if (!_unsettled.Remove(task, out written)) return;
        foreach (Written one in written)
        {
            if (counts) one.File.Commit(one.Client, one.Slot);
            else one.File.Drop(one.Slot);
        }
    }

    /// <summary>Makes the present state one that can be gone back to. The one before it can be too, until the next.</summary>
    public void Save(int round)
    {
        if (folder is null) return;
        Dictionary<string, Saved> all = _files.ToDictionary(file => file.Key, file => new Saved(file.Value.Length, file.Value.Snapshot(round)));
        string path = IndexOf(round), partial = path + ".partial";
        using (FileStream file = File.Create(partial))
        {
            JsonSerializer.Serialize(file, all);
            file.Flush(flushToDisk: true);
        }

        File.Move(partial, path, overwrite: true);
        foreach (string older in Directory.EnumerateFiles(folder, "clients-*.json"))
            if (older != path && older != IndexOf(_saved)) File.Delete(older);
        foreach (SlotFile file in _files.Values) file.ForgetBefore(_saved);
        _saved = round;
    }

    /// <summary>Goes back to the state behind a round.</summary>
    /// <exception cref="FedCoreException">It is not there (<c>run.checkpoint</c>).</exception>
    public void Load(int round)
    {
        string path = folder is null ? "temporary files" : IndexOf(round);
        try
        {
            if (folder is null) throw new IOException("they are gone");
            using FileStream file = File.OpenRead(path);
            foreach ((string name, Saved saved) in JsonSerializer.Deserialize<Dictionary<string, Saved>>(file)!)
            {
                if (!_files.TryGetValue(name, out SlotFile? slots)) _files[name] = slots = Open(name, saved.Length);
                slots.Restore(round, saved.Slots.ToDictionary());
            }

            _saved = round;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or JsonException)
        {
            throw FedCoreException.Configuration(
                "run.checkpoint", $"{path}: what the clients kept behind round {round} cannot be read ({fault.Message}). Start the run anew.", fault);
        }
    }

    public void Dispose()
    {
        foreach (SlotFile file in _files.Values) file.Dispose();
    }

    private SlotFile Open(string name, long length) =>
        new(folder is null ? null : Path.Combine(folder, $"clients-{Uri.EscapeDataString(name)}.slots"), length);

    private string IndexOf(int round) => Path.Combine(folder!, $"clients-{round:D6}.json");

    private sealed record Written(SlotFile File, long Client, int Slot);

    private sealed record Saved(long Length, IReadOnlyDictionary<long, int> Slots);
}
