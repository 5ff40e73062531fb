using FedCore.Aggregator.Storage;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Aggregator.Spooling;

/// <summary>A file of records. It goes when nobody needs a record of it any more and none is appended. Its state is guarded by its run's lock.</summary>
internal sealed class Segment
{
    private SafeFileHandle? _file;
    private int _users, _records;
    private bool _isAppendedTo, _isDeleted;

    /// <summary>A segment that is complete.</summary>
    public Segment(SpoolRun run, string path, long length, int records)
        => (Run, Path, Length, _records) = (run, path, length, records);

    /// <summary>A new segment, which records are appended to.</summary>
    public Segment(SpoolRun run, string path, ulong salt, SafeFileHandle file)
        => (Run, Path, Salt, _file, _users, _isAppendedTo) = (run, path, salt, file, 1, true);

    /// <summary>The run whose updates lie in it.</summary>
    public SpoolRun Run { get; }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>What marks the records that are appended.</summary>
    public ulong Salt { get; }

    /// <summary>Bytes that are durable; 0 before the first record is.</summary>
    public long Length { get; private set; }

    /// <summary>The open file, until it is returned.</summary>
    /// <exception cref="ObjectDisposedException">All its records were released, and it is gone.</exception>
    public SafeFileHandle Acquire()
    {
        lock (Run.Gate)
        {
            ObjectDisposedException.ThrowIf(_isDeleted, this);
            _file ??= File.OpenHandle(Path, FileMode.Open, FileAccess.Read, Disk.Sharing);
            _users++;
            return _file;
        }
    }

    /// <summary>Gives the open file back.</summary>
    public void Return()
    {
        lock (Run.Gate)
        {
            if (--_users > 0) return;
            _file!.Dispose();
            _file = null;
        }
    }

    /// <summary>Takes note of records that have become durable.</summary>
    public void Grow(long length, int records)
    {
        lock (Run.Gate)
        {
            Run.Count(length - Length);
            Length = length;
            _records += records;
        }
    }

    /// <summary>Gives a record up.</summary>
    public void Release()
    {
        lock (Run.Gate)
        {
            _records--;

            // A segment without records is not kept for the sake of what may still come: clients' updates lie no longer than they are needed.
            if (_records == 0 && _isAppendedTo && Run.Retire(this)) Close();
            DeleteIfUnused();
        }
    }

    /// <summary>Appends nothing more to it.</summary>
    public void Seal()
    {
        lock (Run.Gate)
        {
            Close();
            DeleteIfUnused();
        }
    }

    private void Close()
    {
        if (!_isAppendedTo) return;
        _isAppendedTo = false;
        Return();
    }

    private void DeleteIfUnused()
    {
        if (_records > 0 || _isAppendedTo || _isDeleted) return;
        _isDeleted = true;
        Run.Delete(this);
    }
}
