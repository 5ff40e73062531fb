using System.Runtime.InteropServices;
using FedCore.Numerics;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Simulation.ClientStates;

/// <summary>
/// Vectors of one length in a file, each in a slot. A vector that changes goes to another slot; a slot is used again when neither the present nor a checkpoint
/// that may be gone back to names it. Safe for many threads.
/// </summary>
internal sealed class SlotFile : IDisposable
{
    private readonly Lock _lock = new();
    private readonly SafeFileHandle _file;
    private readonly List<int> _uses = [];
    private readonly Stack<int> _free = new();
    private readonly Dictionary<int, Dictionary<long, int>> _snapshots = [];
    private Dictionary<long, int> _present = [];

    /// <param name="path">The file; null for a temporary one that goes with the object.</param>
    /// <param name="length">Elements per vector.</param>
    public SlotFile(string? path, long length)
    {
        Length = length;
        FileOptions options = path is null ? FileOptions.DeleteOnClose : FileOptions.None;
        path ??= Path.Combine(Path.GetTempPath(), "fedcore-" + Path.GetRandomFileName());
        _file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, options);
    }

    public long Length { get; }

    /// <summary>Reads a client's vector, or answers false where it has none.</summary>
    public bool TryRead(long client, FlatVector vector)
    {
        int slot;
        lock (_lock)
            if (!_present.TryGetValue(client, out slot)) return false;
        foreach ((long offset, int count) in VectorBlocks.Of(Length))
        {
            Span<byte> bytes = MemoryMarshal.AsBytes(vector.Slice(offset, count));
            if (RandomAccess.Read(_file, bytes, PlaceOf(slot) + offset * sizeof(float)) < bytes.Length)
                throw new EndOfStreamException($"The vector of client {client} is not whole.");
        }

        return true;
    }

    /// <summary>Writes a vector to a slot that nobody reads yet.</summary>
    public int Write(FlatVector vector)
    {
        int slot;
        lock (_lock)
        {
            if (!_free.TryPop(out slot))
            {
                slot = _uses.Count;
                _uses.Add(0);
            }

            _uses[slot] = 1;
        }

        foreach ((long offset, int count) in VectorBlocks.Of(Length))
            RandomAccess.Write(_file, MemoryMarshal.AsBytes(vector.Slice(offset, count)), PlaceOf(slot) + offset * sizeof(float));
        return slot;
    }

    /// <summary>Makes a written slot the client's vector.</summary>
    public void Commit(long client, int slot)
    {
        lock (_lock)
        {
            if (_present.TryGetValue(client, out int old)) Release(old);
            _present[client] = slot;
        }
    }

    /// <summary>Gives a written slot up.</summary>
    public void Drop(int slot)
    {
        lock (_lock) Release(slot);
    }

    /// <summary>Holds on to the present state, whatever changes, until it is forgotten. The file is on the disk behind it.</summary>
    /// <returns>Which slot each client's vector has.</returns>
    public IReadOnlyDictionary<long, int> Snapshot(int round)
    {
        RandomAccess.FlushToDisk(_file);
        lock (_lock)
        {
            Forget(round);
            var snapshot = new Dictionary<long, int>(_present);
            foreach (int slot in snapshot.Values) _uses[slot]++;
            return _snapshots[round] = snapshot;
        }
    }

    /// <summary>Lets the snapshots before a round go.</summary>
    public void ForgetBefore(int round)
    {
        lock (_lock)
            foreach (int old in _snapshots.Keys.Where(key => key < round).ToArray()) Forget(old);
    }

    /// <summary>Goes back to a snapshot that another process took.</summary>
    public void Restore(int round, Dictionary<long, int> slots)
    {
        lock (_lock)
        {
            _uses.Clear();
            _free.Clear();
            _snapshots.Clear();
            _present = slots;
            _snapshots[round] = new Dictionary<long, int>(slots);
            _uses.AddRange(Enumerable.Repeat(0, slots.Count == 0 ? 0 : slots.Values.Max() + 1));
            foreach (int slot in slots.Values) _uses[slot] += 2;
            for (int slot = _uses.Count - 1; slot >= 0; slot--)
                if (_uses[slot] == 0) _free.Push(slot);
        }
    }

    public void Dispose() => _file.Dispose();

    private long PlaceOf(int slot) => slot * Length * sizeof(float);

    private void Forget(int round)
    {
        if (!_snapshots.Remove(round, out Dictionary<long, int>? snapshot)) return;
        foreach (int slot in snapshot.Values) Release(slot);
    }

    private void Release(int slot)
    {
        if (--_uses[slot] == 0) _free.Push(slot);
    }
}
