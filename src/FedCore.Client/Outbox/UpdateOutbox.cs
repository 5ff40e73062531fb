using System.Text.Json;
using FedCore.Client.Storage;
using FedCore.Client.Telemetry;
using Microsoft.Extensions.Logging;

namespace FedCore.Client.Outbox;

/// <summary>
/// Finished updates, from the moment at which they are on the disk until the aggregator has them, and then what was learned for them until it is known whether
/// they count, and what is summed securely until it has been. Each is a folder that moves on: <c>outbox</c> until it was acknowledged, <c>unsettled</c> until it was settled, <c>committing</c> while it becomes the
/// client's state. So the disk alone says what has happened, wherever the process stopped. Safe for many threads; one sends.
/// </summary>
internal sealed class UpdateOutbox
{
    /// <summary>The names of an update's files, of the file of what is summed securely in its place, and of the folder of what was learned for it.</summary>
    public const string UpdateFile = "update.bin", ResultFile = "result.bin", RecordFile = "update.json", StateFolder = "state";

    private const string Gone = ".gone";
    private const int HashDigits = 64;

    private readonly Lock _lock = new();
    private readonly DataFolder _folder;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly List<OutboxEntry> _waiting = [];
    private readonly List<UpdateRecord> _unsettled = [];
    private readonly Pulse _changed = new();

    /// <summary>Takes up what an earlier process left.</summary>
    public UpdateOutbox(DataFolder folder, TimeProvider clock, ILogger log)
    {
        (_folder, _clock, _log) = (folder, clock, log);
        foreach (string draft in Directory.EnumerateDirectories(folder.Outbox, "*" + UpdateDraft.Suffix)) folder.Disk.DeleteFolder(draft);
        foreach (string gone in Directory.EnumerateDirectories(folder.State, "*" + Gone)) TryDelete(gone);
        foreach (UpdateRecord record in Load(folder.Committing)) Commit(record);
        _unsettled.AddRange(Load(folder.Unsettled));
        foreach (UpdateRecord record in Load(folder.Outbox))
        {
            // What is to be sent again was not acknowledged.
            Forget(record.Task);
            _waiting.Add(new OutboxEntry(record, Path.Combine(folder.Outbox, record.Task), clock) { MayBeThere = true });
        }
    }

    /// <summary>Ends when something has changed, or when it is time to try again.</summary>
    public Task Changed => _changed.Next;

    /// <summary>How many updates wait to be sent.</summary>
    public int Count
    {
        get
        {
            lock (_lock) return _waiting.Count;
        }
    }

    /// <summary>The tasks whose updates wait to be sent, the oldest first.</summary>
    public IReadOnlyList<string> AtHand
    {
        get
        {
            lock (_lock) return [.. _waiting.Where(entry => !entry.Unwanted.IsCancellationRequested).Select(entry => entry.Record.Task)];
        }
    }

    /// <summary>The updates that were acknowledged and not yet settled, the oldest first.</summary>
    public IReadOnlyList<UpdateRecord> Unsettled
    {
        get
        {
            lock (_lock) return [.. _unsettled];
        }
    }

    /// <summary>The updates that wait to be sent, those that nobody wants any more first, then the oldest first.</summary>
    public IReadOnlyList<OutboxEntry> Waiting
    {
        get
        {
            lock (_lock) return [.. _waiting.OrderByDescending(entry => entry.Unwanted.IsCancellationRequested)];
        }
    }

    /// <summary>Whether an update of a task is here.</summary>
    public bool Has(string task)
    {
        lock (_lock) return _waiting.Exists(entry => entry.Record.Task == task);
    }

    /// <summary>What the client has learned in a run of which it is not known whether it counts.</summary>
    /// <returns>The updates that are not acknowledged, and those that are.</returns>
    public (int Waiting, IReadOnlyList<string> Unsettled) OpenIn(string run)
    {
        lock (_lock)
        {
            return (_waiting.Count(entry => entry.Record.KeepsState && entry.Record.Run == run),
                [.. _unsettled.Where(record => record.KeepsState && record.Run == run).Select(record => record.Task)]);
        }
    }

    /// <summary>Finds the result of a task whose answer was acknowledged, and that is summed securely.</summary>
    /// <param name="task">The task.</param>
    public UpdateRecord? FindResult(string task)
    {
        lock (_lock) return _unsettled.Find(record => record.Withholds && record.Task == task);
    }

    /// <summary>Opens such a result.</summary>
    /// <param name="record">The task's record; it is not settled meanwhile.</param>
    public UpdateFileReader OpenResult(UpdateRecord record) => new(Path.Combine(_folder.Unsettled, record.Task, ResultFile));

    /// <summary>Begins an update.</summary>
    /// <param name="task">The task that it answers.</param>
    /// <param name="withholds">Whether its bytes stay here, to be summed securely.</param>
    public UpdateDraft Begin(string task, bool withholds = false) => new(Path.Combine(_folder.Outbox, task), withholds, _folder.Disk);

    /// <summary>Takes an update over that was completed.</summary>
    public void Add(UpdateRecord record)
    {
        lock (_lock)
        {
            Forget(record.Task);
            _waiting.Add(new OutboxEntry(record, Path.Combine(_folder.Outbox, record.Task), _clock));
        }

        _changed.Beat();
    }

    /// <summary>Wakes whoever sends: it is time to try everything again.</summary>
    public void Nudge()
    {
        foreach (OutboxEntry entry in Waiting) entry.Delay = TimeSpan.Zero;
        _changed.Beat();
    }

    /// <summary>Takes note that nobody waits for an update any more.</summary>
    /// <returns>Whether it was waited for until now.</returns>
    public bool MarkUnwanted(string task)
    {
        OutboxEntry? entry;
        lock (_lock) entry = _waiting.Find(entry => entry.Record.Task == task && !entry.Unwanted.IsCancellationRequested);
        entry?.MarkUnwanted();
        if (entry is not null) _changed.Beat();
        return entry is not null;
    }

    /// <summary>Takes an update out. What was learned for it, and what is yet to be summed, stays until it is settled.</summary>
    /// <param name="entry">The update: one that was acknowledged, or that may have been and is now unwanted.</param>
    public void Remove(OutboxEntry entry)
    {
        lock (_lock)
        {
            if (entry.Record.IsKept)
            {
                string target = Path.Combine(_folder.Unsettled, entry.Record.Task);
                _folder.Disk.DeleteFolder(target, RecordFile);
                _folder.Disk.Move(entry.Folder, target);
                _waiting.Remove(entry);
                _unsettled.Add(entry.Record);
                _folder.Disk.Delete(Path.Combine(target, UpdateFile));
            }
            else
            {
                _folder.Disk.DeleteFolder(entry.Folder, RecordFile);
                _waiting.Remove(entry);
            }
        }

        _changed.Beat();
    }

    /// <summary>Drops an update that the aggregator has refused, with what was learned for it.</summary>
    public void Drop(OutboxEntry entry)
    {
        lock (_lock)
        {
            _folder.Disk.DeleteFolder(entry.Folder, RecordFile);
            _waiting.Remove(entry);
        }

        _changed.Beat();
    }

    /// <summary>Makes what was learned for an update the client's state, or drops it.</summary>
    /// <returns>The update; null where it is not waited for.</returns>
    public UpdateRecord? Settle(string task, bool counts)
    {
        lock (_lock)
        {
            if (_unsettled.Find(record => record.Task == task) is not { } record) return null;
            string from = Path.Combine(_folder.Unsettled, task);
            if (counts && record.KeepsState)
            {
                string to = Path.Combine(_folder.Committing, task);
                _folder.Disk.Move(from, to);
                Commit(record);
            }
            else _folder.Disk.DeleteFolder(from, RecordFile);
            _unsettled.Remove(record);
            return record;
        }
    }

    /// <summary>The last update of a run that counts, as far as this client knows; null for none.</summary>
    /// <param name="stateFolder">The name of the run's folder.</param>
    public UpdateRecord? LastThatCounts(string stateFolder) => Read(Path.Combine(_folder.State, stateFolder));

    /// <summary>Of each run for which the client keeps something the last update that counts, the oldest first.</summary>
    public IReadOnlyList<UpdateRecord> KeptRuns()
    {
        var kept = new List<UpdateRecord>();
        foreach (string path in Directory.EnumerateDirectories(_folder.State))
            if (Read(path) is { Hash.Length: HashDigits } last && last.Hash.All(char.IsAsciiHexDigitLower) && last.StateFolder == Path.GetFileName(path)) kept.Add(last);
        kept.Sort((a, b) => a.Finished.CompareTo(b.Finished));
        return kept;
    }

    /// <summary>Whether an update of a run is on its way, or not settled.</summary>
    /// <param name="stateFolder">The name of the run's folder.</param>
    public bool IsAtWork(string stateFolder)
    {
        lock (_lock) return _waiting.Exists(entry => entry.Record.StateFolder == stateFolder) || _unsettled.Exists(record => record.StateFolder == stateFolder);
    }

    /// <summary>Forgets what the client keeps of a run.</summary>
    /// <param name="stateFolder">The name of the run's folder.</param>
    public void ForgetState(string stateFolder)
    {
        string path = Path.Combine(_folder.State, stateFolder), gone = path + Gone;
        lock (_lock)
        {
            if (!Directory.Exists(path)) return;
            _folder.Disk.DeleteFolder(gone);
            _folder.Disk.Move(path, gone);
            _folder.Disk.DeleteFolder(gone);
        }
    }

    // The folder's new place has decided; what follows is done again from the beginning where it was interrupted.
    private void Commit(UpdateRecord record)
    {
        string from = Path.Combine(_folder.Committing, record.Task), learned = Path.Combine(from, StateFolder), target = Path.Combine(_folder.State, record.StateFolder);
        _folder.Disk.CreateFolder(target);
        if (Directory.Exists(learned))
            foreach (string vector in Directory.EnumerateFiles(learned).Order(StringComparer.Ordinal)) _folder.Disk.Move(vector, Path.Combine(target, Path.GetFileName(vector)));
        _folder.Disk.Move(Path.Combine(from, RecordFile), Path.Combine(target, RecordFile));
        _folder.Disk.DeleteFolder(from);
    }

    // It does no harm, and shall keep no client from starting.
    private void TryDelete(string gone)
    {
        try
        {
            _folder.Disk.DeleteFolder(gone);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            _log.StateNotDropped(fault.Message.TrimEnd('.'));
        }
    }

    // The same task was done anew, as after the aggregator lost what it had: what was learned the first time is done with.
    private void Forget(string task)
    {
        if (_unsettled.RemoveAll(record => record.Task == task) > 0) _folder.Disk.DeleteFolder(Path.Combine(_folder.Unsettled, task), RecordFile);
    }

    private List<UpdateRecord> Load(string folder)
    {
        var found = new List<UpdateRecord>();
        foreach (string path in Directory.EnumerateDirectories(folder))
        {
            if (Read(path) is { } record && record.Task == Path.GetFileName(path))
            {
                found.Add(record);
                continue;
            }

            // What has no record was being deleted.
            if (File.Exists(Path.Combine(path, RecordFile))) _log.BrokenUpdate(path);
            _folder.Disk.DeleteFolder(path, RecordFile);
        }

        found.Sort((a, b) => (a.Finished, a.Round, a.Position).CompareTo((b.Finished, b.Round, b.Position)));
        return found;
    }

    private static UpdateRecord? Read(string folder)
    {
        try
        {
            string path = Path.Combine(folder, RecordFile);
            return File.Exists(path) ? JsonSerializer.Deserialize<UpdateRecord>(File.ReadAllBytes(path), JsonSerializerOptions.Web) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
