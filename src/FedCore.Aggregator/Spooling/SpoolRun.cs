using System.Security.Cryptography;
using FedCore.Aggregator.Storage;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Aggregator.Spooling;

/// <summary>The segments of one run.</summary>
/// <param name="name">The run's name, which is its folder's.</param>
/// <param name="options">How the spool is kept.</param>
/// <param name="deletions">Deletes what nobody needs any more, while others go on.</param>
/// <param name="count">Takes note of bytes that came to the disk, or went.</param>
internal sealed class SpoolRun(string name, SpoolOptions options, GroupCommitter<Action> deletions, Action<long> count)
{
    /// <summary>How the name of a complete or growing segment ends.</summary>
    public const string Extension = ".seg";

    private Segment? _current;
    private bool _isWriting;
    private long _next = 1;

    /// <summary>Guards the state of the segments. Nothing is written or synced under it.</summary>
    public Lock Gate { get; } = new();

    /// <summary>The run's name.</summary>
    public string Name { get; } = name;

    /// <summary>The run's folder.</summary>
    public string Folder { get; } = Path.Combine(options.Folder, name);

    /// <summary>Takes note of bytes that came to the disk, or went.</summary>
    public void Count(long bytes) => count(bytes);

    /// <summary>Takes note of a number that is in use.</summary>
    public void Skip(long number)
    {
        lock (Gate) _next = Math.Max(_next, number + 1);
    }

    /// <summary>The path of a segment that is not there yet.</summary>
    public string NextPath()
    {
        lock (Gate) return Path.Combine(Folder, $"{_next++:D8}{Extension}");
    }

    /// <summary>The segment to append to, which is the caller's until <see cref="EndWriting"/>. For one caller at a time.</summary>
    public Segment BeginWriting()
    {
        lock (Gate)
        {
            _isWriting = true;
            if (_current is not null) return _current;
        }

        string path = NextPath();
        SafeFileHandle file = Disk.CreateFile(path);
        return new Segment(this, path, NewSalt(), file);
    }

    /// <summary>Takes the segment back.</summary>
    /// <param name="segment">The segment; null where none could be created.</param>
    /// <param name="isSound">Whether it may be appended to again.</param>
    public void EndWriting(Segment? segment, bool isSound)
    {
        bool goesOn = isSound && segment!.Length < options.SegmentBytes;
        lock (Gate)
        {
            _isWriting = false;
            _current = goesOn ? segment : null;
        }

        if (!goesOn) segment?.Seal();
    }

    /// <summary>Stops appending to a segment, unless it is being appended to. Under the lock.</summary>
    /// <returns>Whether nothing is appended to it any more.</returns>
    public bool Retire(Segment segment)
    {
        if (_isWriting || _current != segment) return false;
        _current = null;
        return true;
    }

    /// <summary>Closes the segment that is appended to. It stays, but for an empty one.</summary>
    public void Close()
    {
        Segment? last;
        lock (Gate) (last, _current) = (_current, null);
        last?.Seal();
    }

    /// <summary>Deletes a segment in a moment: a disk takes longer for it than a round that begins should wait.</summary>
    public void Delete(Segment segment)
    {
        try
        {
            deletions.Enqueue(DeleteNow);
        }
        catch (ObjectDisposedException)
        {
            DeleteNow();
        }

        void DeleteNow()
        {
            Delete(segment.Path);
            Count(-segment.Length);
        }
    }

    /// <summary>A number that nobody guesses.</summary>
    public static ulong NewSalt() => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)));

    /// <summary>Deletes a file that is not needed any more. One that cannot be deleted now is found, and given up again, when the spool is next opened.</summary>
    public static void Delete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
        }
    }
}
