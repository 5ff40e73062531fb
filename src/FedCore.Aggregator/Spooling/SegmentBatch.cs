using FedCore.Aggregator.Storage;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Aggregator.Spooling;

/// <summary>Small updates of one run that go to the disk together: written with one call, made durable with one sync.</summary>
/// <param name="run">The run.</param>
/// <param name="requests">The updates.</param>
/// <param name="disk">Makes them durable.</param>
internal sealed class SegmentBatch(SpoolRun run, List<AppendRequest> requests, Disk disk)
{
    private Segment? _segment;
    private SafeFileHandle? _file;
    private long _start, _end;

    /// <summary>Writes the updates of all runs, makes them durable, and ends their tasks.</summary>
    /// <returns>How many files were synced.</returns>
    public static int Commit(List<AppendRequest> requests, Disk disk)
    {
        SegmentBatch[] batches =
            [.. requests.Where(request => request.TryTake()).GroupBy(request => request.Run).Select(group => new SegmentBatch(group.Key, [.. group], disk))];

        // The disk may begin with all of them while one is waited for.
        SegmentBatch[] written = [.. batches.Where(batch => batch.TryWrite())];
        foreach (SegmentBatch batch in written) batch.Sync();
        return written.Length;
    }

    private bool TryWrite()
    {
        try
        {
            _segment = run.BeginWriting();
            _file = _segment.Acquire();
            _start = _end = _segment.Length;
            var buffers = new List<ReadOnlyMemory<byte>>();
            if (_start == 0) buffers.Add(FileHeader(_segment.Salt));
            foreach (AppendRequest request in requests)
            {
                SpoolFormat.Seal(request.Head, _segment.Salt);
                request.AddTo(buffers);
            }

            _end += buffers.Sum(buffer => (long)buffer.Length);
            RandomAccess.Write(_file, buffers, _start);
            return true;
        }
        catch (Exception fault)
        {
            // What the disk has taken of it is cut off; where that fails too, nothing is written behind it.
            End(isSound: _start > 0 && TryCut());
            Fail(fault is IOException or UnauthorizedAccessException ? SpoolFaults.NotWritten(_segment?.Path ?? run.Folder, fault) : fault);
            return false;
        }
    }

    private void Sync()
    {
        try
        {
            disk.Sync(_file!);
            if (_start == 0) disk.SyncFolder(run.Folder);
        }
        catch (Exception fault)
        {
            // The system may have dropped what it could not write and takes the rest for written: whatever comes later goes to another file.
            TryCut();
            End(isSound: false);
            Fail(fault is IOException or UnauthorizedAccessException ? SpoolFaults.NotSynced(_segment!.Path, fault) : fault);
            return;
        }

        long offset = _start == 0 ? SpoolFormat.FileHeaderLength : _start;
        var updates = new List<SpooledUpdate>(requests.Count);
        foreach (AppendRequest request in requests)
        {
            updates.Add(new SpooledUpdate(_segment!, offset + request.Head.Length, request.Head));
            offset += request.Length;
        }

        _segment!.Grow(_end, requests.Count);
        End(isSound: true);
        for (int i = 0; i < requests.Count; i++) requests[i].Succeed(updates[i]);
    }

    private static byte[] FileHeader(ulong salt)
    {
        byte[] header = new byte[SpoolFormat.FileHeaderLength];
        SpoolFormat.WriteFileHeader(header, SegmentKind.Shared, salt);
        return header;
    }

    private bool TryCut()
    {
        try
        {
            RandomAccess.SetLength(_file!, _start);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private void End(bool isSound)
    {
        if (_file is not null) _segment!.Return();
        run.EndWriting(_segment, isSound);
    }

    private void Fail(Exception fault)
    {
        foreach (AppendRequest request in requests) request.Fail(fault);
    }
}
