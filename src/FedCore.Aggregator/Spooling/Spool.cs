using System.Buffers;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using FedCore.Aggregator.Storage;
using FedCore.Compression;
using FedCore.Updates;

namespace FedCore.Aggregator.Spooling;

/// <summary>
/// Clients' updates on the disk, in a folder per run, from before they are acknowledged until the round that they belong to needs them no more. Small ones
/// are appended to a segment, those of all callers with one sync; large ones arrive in pieces in files of their own. Safe for many threads.
/// </summary>
internal sealed partial class Spool : IDisposable
{
    /// <summary>The largest update that is appended whole; larger ones are staged.</summary>
    public const int MaxAppendLength = 256 * 1024;

    private readonly SpoolOptions _options;
    private readonly Disk _disk;
    private readonly TimeProvider _clock;
    private readonly InstanceLock _lock;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (SpoolRun Run, StagedUploads Uploads)> _runs = [];
    private readonly GroupCommitter<AppendRequest> _appends;
    private readonly GroupCommitter<SealRequest> _seals;
    private readonly GroupCommitter<Action> _deletions;
    private readonly OpenUploads _leftOpen;
    private readonly ITimer _sweeps;
    private long _bytes;

    private Spool(SpoolOptions options, Disk disk, TimeProvider clock, InstanceLock taken)
    {
        (_options, _disk, _clock, _lock, _leftOpen) = (options, disk, clock, taken, new OpenUploads(options.MostLeftOpen));
        _appends = new GroupCommitter<AppendRequest>("FedCore spool", options.Spacing, clock, requests => SegmentBatch.Commit(requests, disk));
        _seals = new GroupCommitter<SealRequest>("FedCore uploads", TimeSpan.Zero, clock, requests => SealRequest.Commit(requests, disk));
        _deletions = new GroupCommitter<Action>("FedCore deletions", TimeSpan.Zero, clock, Delete);
        TimeSpan period = options.UploadLimit / 10;
        _sweeps = clock.CreateTimer(_ => Sweep(), null, period, period);
    }

    /// <summary>Bytes of all segments and uploads, with the room that uploads have reserved.</summary>
    public long BytesOnDisk => Volatile.Read(ref _bytes);

    /// <summary>Opens a spool, or begins one.</summary>
    /// <param name="options">Where it lies and how it is kept.</param>
    /// <param name="disk">Makes durable what is written.</param>
    /// <param name="clock">Times syncs and uploads.</param>
    /// <param name="recovered">The updates of earlier processes that are whole, run by run in the order in which they came; each is held until it is released.</param>
    /// <exception cref="FedCoreException">
    /// Another process has it (<c>spool.in-use</c>), a newer FedCore wrote it (<c>spool.version</c>), or it cannot be read (<c>spool.open</c>).
    /// </exception>
    public static Spool Open(SpoolOptions options, Disk disk, TimeProvider clock, out IReadOnlyList<SpooledUpdate> recovered)
    {
        options = options with { Folder = Path.GetFullPath(options.Folder) };
        Spool? spool = null;
        InstanceLock? taken = null;
        try
        {
            disk.CreateFolder(options.Folder);
            taken = InstanceLock.Take(Path.Combine(options.Folder, ".lock"), "spool.in-use", $"The spool {options.Folder}");
            spool = new Spool(options, disk, clock, taken);
            var updates = new List<SpooledUpdate>();
            foreach (string folder in Directory.EnumerateDirectories(options.Folder).Order(StringComparer.Ordinal))
            {
                string name = Path.GetFileName(folder);
                if (!RunName().IsMatch(name)) continue;
                (SpoolRun run, StagedUploads uploads) = spool.Add(name);
                updates.AddRange(new SpoolRecovery(run, disk, options.Report).Recover());
                foreach (string path in Directory.EnumerateFiles(folder, "*" + StagedFile.Extension)) uploads.Recover(path);
            }

            spool.Sweep();
            recovered = updates;
            return spool;
        }
        catch (Exception fault)
        {
            if (spool is not null) spool.Dispose();
            else taken?.Dispose();
            if (fault is not (IOException or UnauthorizedAccessException)) throw;
            throw FedCoreException.Configuration("spool.open", $"{options.Folder}: the spool cannot be opened ({fault.Message}). Look at the disk and at who owns the folder.", fault);
        }
    }

    /// <summary>Keeps a small update.</summary>
    /// <param name="run">The run's name: letters, digits, <c>-</c>, <c>_</c> and inner dots, at most 128.</param>
    /// <param name="label">What the caller wants to find on it, at most 4,096 bytes; it is copied.</param>
    /// <param name="payload">The update, at most <see cref="MaxAppendLength"/> bytes, which must stay what they are until the task has ended.</param>
    /// <param name="sha256">SHA-256 of the payload.</param>
    /// <param name="ct">Cancels the waiting for others to be written; what is being written is kept.</param>
    /// <returns>A task that ends when the update would survive a loss of power.</returns>
    /// <exception cref="UpdateRefusedException">The payload is not that of the digest (<c>update.digest</c>).</exception>
    /// <exception cref="FedCoreException">There is no room (<c>spool.full</c>), or the disk failed (<c>spool.write</c>, <c>spool.sync</c>): the update is not kept.</exception>
    public async ValueTask<SpooledUpdate> AppendAsync(
        string run, ReadOnlyMemory<byte> label, ReadOnlySequence<byte> payload, ReadOnlyMemory<byte> sha256, CancellationToken ct)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(payload.Length, MaxAppendLength, nameof(payload));
        byte[] head = HeadOf(label.Span, payload.Length, sha256.Span);
        ct.ThrowIfCancellationRequested();

        // A record that does not agree with itself would be taken for a damaged one.
        if (!IsOf(payload, sha256.Span))
            throw new UpdateRefusedException(StagedUpload.WrongDigest, "The bytes of the update are not those of the digest that it was announced with. Send it again.");
        var request = new AppendRequest(RunOf(run).Run, head, payload);
        _appends.Enqueue(request);
        using CancellationTokenRegistration cancellation = ct.UnsafeRegister(static (state, token) => ((AppendRequest)state!).Cancel(token), request);
        return await request.Done.ConfigureAwait(false);
    }

    /// <summary>Begins an update that comes in pieces, or goes on with one: the same label, length and digest.</summary>
    /// <param name="run">The run's name.</param>
    /// <param name="label">What the caller wants to find on it. An unfinished upload of this label with another length or digest is dropped.</param>
    /// <param name="length">Bytes of the payload.</param>
    /// <param name="sha256">SHA-256 of the payload.</param>
    /// <param name="check">Begins the check of the update's bytes, which sees them as they come; null where there is none.</param>
    /// <param name="ct">Cancels the reading of what is there.</param>
    /// <returns>The upload, at the offset where the sender goes on. Whoever had it open has lost it.</returns>
    /// <exception cref="FedCoreException">There is no room for all of it (<c>spool.full</c>), or it is being completed (<c>upload.busy</c>).</exception>
    public async ValueTask<StagedUpload> StageAsync(
        string run, ReadOnlyMemory<byte> label, long length, ReadOnlyMemory<byte> sha256, Func<IEncodedUpdate, UpdateCheck>? check, CancellationToken ct)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        StagedUpload? upload = null;
        try
        {
            upload = RunOf(run).Uploads.Stage(HeadOf(label.Span, length, sha256.Span), check);
            while (upload.CatchUp())
            {
                ct.ThrowIfCancellationRequested();
                await Task.Yield();
            }

            return upload;
        }
        catch (Exception fault)
        {
            upload?.Dispose();
            if (fault is not (IOException or UnauthorizedAccessException)) throw;
            throw FedCoreException.RunFailed(SpoolFaults.Unreadable, $"An unfinished upload of the run {run} cannot be read: {fault.Message}", fault);
        }
    }

    /// <summary>Drops an unfinished upload that nobody waits for any more, if there is one. What is just being completed stays.</summary>
    /// <param name="run">The run's name.</param>
    /// <param name="label">What the caller wrote on it.</param>
    public void Drop(string run, ReadOnlySpan<byte> label)
    {
        StagedUploads? uploads;
        lock (_gate) uploads = _runs.GetValueOrDefault(run).Uploads;
        try
        {
            uploads?.Drop(label);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // It is swept later.
        }
    }

    /// <summary>Drops uploads that nobody has added to for longer than the limit. It happens by itself, too.</summary>
    public void Sweep()
    {
        StagedUploads[] all;
        lock (_gate) all = [.. _runs.Values.Select(run => run.Uploads)];
        DateTime before = _clock.GetUtcNow().UtcDateTime - _options.UploadLimit;
        foreach (StagedUploads uploads in all)
        {
            try
            {
                uploads.Sweep(before);
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                // A folder that cannot be read now is swept the next time.
            }
        }
    }

    /// <summary>Ends when the files of all that was released before are gone.</summary>
    public Task DeletedAsync()
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _deletions.Enqueue(done.SetResult);
        return done.Task;
    }

    /// <summary>Keeps what is on its way, and closes the spool.</summary>
    public void Dispose()
    {
        _sweeps.Dispose();
        _appends.Dispose();
        _seals.Dispose();
        lock (_gate)
        {
            foreach ((SpoolRun run, StagedUploads uploads) in _runs.Values)
            {
                run.Close();
                uploads.Close();
            }
        }

        _deletions.Dispose();
        _lock.Dispose();
    }

    private static int Delete(List<Action> deletions)
    {
        foreach (Action delete in deletions) delete();
        return 0;
    }

    private static byte[] HeadOf(ReadOnlySpan<byte> label, long length, ReadOnlySpan<byte> sha256)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(label.Length, SpoolFormat.MaxLabelLength, nameof(label));
        ArgumentOutOfRangeException.ThrowIfNotEqual(sha256.Length, SHA256.HashSizeInBytes, nameof(sha256));
        return SpoolFormat.CreateHead(label, length, sha256);
    }

    private static bool IsOf(ReadOnlySequence<byte> payload, ReadOnlySpan<byte> sha256)
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        if (payload.IsSingleSegment)
        {
            SHA256.HashData(payload.FirstSpan, digest);
            return digest.SequenceEqual(sha256);
        }

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (ReadOnlyMemory<byte> part in payload) hash.AppendData(part.Span);
        hash.GetHashAndReset(digest);
        return digest.SequenceEqual(sha256);
    }

    private (SpoolRun Run, StagedUploads Uploads) RunOf(string name)
    {
        lock (_gate)
        {
            if (_runs.TryGetValue(name, out (SpoolRun, StagedUploads) known)) return known;
            if (!RunName().IsMatch(name)) throw new ArgumentException($"{Shown.Of(name)} cannot be a run's folder: its name is letters, digits, '-', '_' and inner dots, at most 128.", nameof(name));
            try
            {
                _disk.CreateFolder(Path.Combine(_options.Folder, name));
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                throw SpoolFaults.NotWritten(Path.Combine(_options.Folder, name), fault);
            }

            return Add(name);
        }
    }

    private (SpoolRun Run, StagedUploads Uploads) Add(string name)
    {
        var run = new SpoolRun(name, _options, _deletions, bytes => Interlocked.Add(ref _bytes, bytes));
        return _runs[name] = (run, new StagedUploads(run, _seals, _leftOpen));
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_-](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_-])?\z", RegexOptions.CultureInvariant)]
    private static partial Regex RunName();
}
