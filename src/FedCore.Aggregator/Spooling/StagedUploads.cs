using System.Security.Cryptography;
using FedCore.Compression;

namespace FedCore.Aggregator.Spooling;

/// <summary>The unfinished uploads of one run.</summary>
/// <param name="run">The run.</param>
/// <param name="sealer">Makes uploads durable that are complete.</param>
/// <param name="left">Those that nobody holds just now.</param>
internal sealed class StagedUploads(SpoolRun run, GroupCommitter<SealRequest> sealer, OpenUploads left)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, StagedUpload> _open = [];

    /// <summary>Takes note of a file of an earlier process, or drops what is none.</summary>
    public void Recover(string path)
    {
        using StagedFile? file = StagedFile.Open(path);
        if (file is null) SpoolRun.Delete(path);
        else run.Count(file.FullLength);
    }

    /// <summary>Begins an upload, goes on with it, or takes it over.</summary>
    /// <param name="head">The record's header and label. An upload of the same label with another length or digest is dropped: its sender has made a new update since.</param>
    /// <param name="check">Begins the check of its bytes; null where there is none.</param>
    /// <exception cref="FedCoreException">There is no room for all of it (<c>spool.full</c>), or it is being completed (<c>upload.busy</c>).</exception>
    public StagedUpload Stage(byte[] head, Func<IEncodedUpdate, UpdateCheck>? check)
    {
        string key = KeyOf(SpoolFormat.Label(head).Span);
        lock (_gate)
        {
            if (!TryFind(key, out StagedFile? file)) throw FedCoreException.RunFailed(StagedUpload.Busy, StagedUpload.BusyMessage);
            if (file is not null && !SpoolFormat.AreOfOne(file.Head, head))
            {
                Drop(file);
                file = null;
            }

            if (file is null)
            {
                file = StagedFile.Create(PathOf(key), head);
                run.Count(file.FullLength);
            }

            if (check is not null) file.CheckWith(check);
            return _open[key] = new StagedUpload(this, file);
        }
    }

    /// <summary>Drops an upload, if there is one that is not being completed.</summary>
    /// <param name="label">What the caller wrote on it.</param>
    public void Drop(ReadOnlySpan<byte> label)
    {
        lock (_gate)
            if (TryFind(KeyOf(label), out StagedFile? file) && file is not null) Drop(file);
    }

    /// <summary>Drops uploads that nobody has added to for long.</summary>
    /// <param name="before">Since when.</param>
    public void Sweep(DateTime before)
    {
        lock (_gate)
        {
            foreach (string path in Directory.EnumerateFiles(run.Folder, "*" + StagedFile.Extension))
            {
                if (File.GetLastWriteTimeUtc(path) < before && TryFind(Path.GetFileNameWithoutExtension(path), out StagedFile? file) && file is not null) Drop(file);
            }
        }
    }

    /// <summary>Makes a complete upload a segment.</summary>
    public Task<SpooledUpdate> SealAsync(StagedFile file)
    {
        var request = new SealRequest(run, file);
        try
        {
            sealer.Enqueue(request);
        }
        catch (ObjectDisposedException)
        {
            // The spool is closing; the file stays for the next one.
            file.Dispose();
            throw;
        }

        return request.Done;
    }

    /// <summary>Deletes an upload's file.</summary>
    public void Drop(StagedFile file)
    {
        file.Dispose();
        run.Count(-file.FullLength);
        SpoolRun.Delete(file.Path);
    }

    /// <summary>Keeps an upload open that its holder has left, for a while.</summary>
    public void KeepOpen(StagedUpload upload)
    {
        left.Add(upload);

        // Somebody may have taken it over meanwhile.
        if (!upload.IsAtRest) left.Remove(upload);
    }

    /// <summary>Lets go of an upload that its holder is done with.</summary>
    public void Forget(StagedUpload upload)
    {
        lock (_gate)
            if (_open.TryGetValue(upload.Key, out StagedUpload? known) && known == upload) _open.Remove(upload.Key);
    }

    /// <summary>Closes all files; they stay.</summary>
    public void Close()
    {
        StagedUpload[] open;
        lock (_gate) open = [.. _open.Values];
        foreach (StagedUpload upload in open) upload.Close();
    }

    /// <summary>Takes an upload's file from its holder, or opens it.</summary>
    /// <param name="key">What its label is known by.</param>
    /// <param name="file">The file; null where there is none.</param>
    /// <returns>False where the upload is being completed.</returns>
    private bool TryFind(string key, out StagedFile? file)
    {
        file = null;
        if (_open.TryGetValue(key, out StagedUpload? upload))
        {
            if (!upload.TryTake(out file)) return false;
            left.Remove(upload);
            _open.Remove(key);
            if (file is { HasFailed: false }) return true;
            file?.Dispose();
        }

        string path = PathOf(key);
        if (!File.Exists(path)) return true;
        file = StagedFile.Open(path);
        if (file is null) SpoolRun.Delete(path);
        return true;
    }

    private string PathOf(string key) => Path.Combine(run.Folder, key + StagedFile.Extension);

    private static string KeyOf(ReadOnlySpan<byte> label) => Convert.ToHexStringLower(SHA256.HashData(label).AsSpan(0, 16));
}
