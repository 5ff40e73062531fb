using System.Text;
using FedCore.Privacy.Ledgers;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Hosting.Storage;

/// <summary>
/// A privacy ledger in a file. What was appended is on the disk before the call returns; several processes may share the file, and each sees what the others wrote before it decides. The number and
/// the hash of the last entry are in a file beside it, so that entries do not vanish from its end unnoticed.
/// </summary>
public sealed class LedgerFile : IDisposable
{
    // How often another process that has the file is asked again, and for how long.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20), Patience = TimeSpan.FromSeconds(10);

    private readonly string _path, _lockPath, _headPath;
    private readonly SemaphoreSlim _using = new(1);
    private readonly TimeProvider _clock;
    private readonly List<LedgerEntry> _entries = [];
    private readonly List<string> _hashes = [];
    private long _length;
    private (DateTime At, long Length) _touched;

    private LedgerFile(string path, TimeProvider clock) => (_path, _lockPath, _headPath, _clock) = (path, path + ".lock", path + ".head", clock);

    /// <summary>The entries, as they were when the file was last looked at.</summary>
    public IReadOnlyList<LedgerEntry> Entries => _entries;

    /// <summary>The file.</summary>
    public string Path => _path;

    /// <summary>The hash of the last entry.</summary>
    public string Head => _hashes.Count == 0 ? LedgerChain.Origin : _hashes[^1];

    /// <summary>Opens a ledger, which is empty where there is none, and checks its whole chain.</summary>
    /// <param name="path">The file.</param>
    /// <param name="clock">What pauses are measured by; null for the system's clock.</param>
    /// <returns>The ledger.</returns>
    /// <exception cref="FedCoreException">Its chain is broken (<c>privacy.ledger</c>).</exception>
    public static LedgerFile Open(string path, TimeProvider? clock = null)
    {
        // Who may only read it, such as an auditor, needs no lock: lines are whole or not yet there.
        var ledger = new LedgerFile(path, clock ?? TimeProvider.System);
        ledger.Refresh();
        return ledger;
    }

    /// <summary>Appends what is decided in the light of all that is there, also of what other processes wrote meanwhile.</summary>
    /// <param name="decide">Gets the entries and returns those to append, without numbers and hashes; what it throws leaves the ledger as it is.</param>
    /// <param name="ct">Cancels the waiting for other processes.</param>
    /// <returns>What was appended, safe on the disk.</returns>
    /// <exception cref="FedCoreException">The chain is broken (<c>privacy.ledger</c>).</exception>
    public async Task<IReadOnlyList<LedgerEntry>> AppendAsync(Func<IReadOnlyList<LedgerEntry>, IEnumerable<LedgerEntry>> decide, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(decide);
        await _using.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            await using FileStream held = await HoldAsync(ct).ConfigureAwait(false);
            Refresh();
            return Append(decide(_entries));
        }
        finally
        {
            _using.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _using.Dispose();

    private List<LedgerEntry> Append(IEnumerable<LedgerEntry> drafts)
    {
        var text = new StringBuilder();
        var added = new List<LedgerEntry>();
        var hashes = new List<string>();
        foreach (LedgerEntry draft in drafts)
        {
            LedgerEntry entry = draft with { Number = _entries.Count + added.Count + 1, Previous = hashes.Count > 0 ? hashes[^1] : Head };
            (string line, string hash) = LedgerChain.Seal(entry);
            text.Append(line).Append('\n');
            added.Add(entry);
            hashes.Add(hash);
        }

        if (added.Count == 0) return added;
        byte[] bytes = Encoding.UTF8.GetBytes(text.ToString());
        using (SafeFileHandle file = OpenForWriting())
        {
            // What an earlier process could not finish writing was not acted on.
            if (RandomAccess.GetLength(file) > _length) RandomAccess.SetLength(file, _length);
            RandomAccess.Write(file, bytes, _length);
            RandomAccess.FlushToDisk(file);
        }

        if (_length == 0) Folders.Sync(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(_path))!);
        _length += bytes.Length;
        _entries.AddRange(added);
        _hashes.AddRange(hashes);
        _touched = Touched();
        WriteHead();
        return added;
    }

    // Reads all of it again where somebody else has touched it. A last line without its end was not finished, and not acted on.
    private void Refresh()
    {
        (long Number, string Hash)? head = ReadHead();
        (DateTime, long) touched = Touched();
        if (touched != _touched)
        {
            if (touched == default) throw LedgerChain.Broken(_path, Math.Max(1, _entries.Count), "is gone");
            using var file = new FileStream(_path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            byte[] content = new byte[file.Length];
            file.ReadExactly(content);
            int known = _entries.Count;
            _entries.Clear();
            _hashes.Clear();
            _length = 0;
            for (; content.AsSpan((int)_length).IndexOf((byte)'\n') is >= 0 and var length; _length += length + 1)
            {
                (LedgerEntry entry, string hash) = LedgerChain.Open(Encoding.UTF8.GetString(content, (int)_length, length), _entries.Count + 1, Head, _path);
                _entries.Add(entry);
                _hashes.Add(hash);
            }

            if (_entries.Count < known) throw LedgerChain.Broken(_path, known, "is gone");
            _touched = touched;
        }

        if (head is not { } last || last.Number == 0) return;
        if (last.Number > _entries.Count) throw LedgerChain.Broken(_path, last.Number, "is gone");
        if (_hashes[(int)last.Number - 1] != last.Hash) throw LedgerChain.Broken(_path, last.Number, "is another than the one that was written");
    }

    // The length too: two processes may write within one tick of the file system's clock.
    private (DateTime At, long Length) Touched() => new FileInfo(_path) is { Exists: true } file ? (file.LastWriteTimeUtc, file.Length) : default;

    private (long Number, string Hash)? ReadHead()
    {
        if (!File.Exists(_headPath)) return null;
        string[] parts = File.ReadAllText(_headPath).Trim().Split(' ');
        return parts is [var number, { Length: 64 } hash] && long.TryParse(number, System.Globalization.CultureInfo.InvariantCulture, out long value) && value >= 1
            ? (value, hash)
            : throw FedCoreException.Configuration("privacy.ledger", $"{Shown.Of(_headPath, 400)} is damaged: it does not say which entry of the privacy ledger is the last. Put it back from a copy.");
    }

    // A crash before it is there leaves a head that is an entry behind, which is as good.
    private void WriteHead()
    {
        string partial = _headPath + ".partial";
        using (SafeFileHandle file = File.OpenHandle(partial, FileMode.Create, FileAccess.Write))
        {
            RandomAccess.Write(file, Encoding.ASCII.GetBytes(FormattableString.Invariant($"{_entries.Count} {Head}\n")), 0);
            RandomAccess.FlushToDisk(file);
        }

        File.Move(partial, _headPath, overwrite: true);
    }

    private SafeFileHandle OpenForWriting()
    {
        bool isNew = !File.Exists(_path);
        SafeFileHandle file = File.OpenHandle(_path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read);
        if (isNew && !OperatingSystem.IsWindows()) File.SetUnixFileMode(_path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return file;
    }

    // Another process has it for as long as it takes to append.
    private async Task<FileStream> HoldAsync(CancellationToken ct)
    {
        for (TimeSpan waited = TimeSpan.Zero; ; waited += Pause)
        {
            try
            {
                return new FileStream(_lockPath, new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0 });
            }
            catch (IOException fault) when (fault is not (FileNotFoundException or DirectoryNotFoundException) && waited < Patience)
            {
                await Task.Delay(Pause, _clock, ct).ConfigureAwait(false);
            }
        }
    }
}
