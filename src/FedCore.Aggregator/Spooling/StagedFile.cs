using System.Buffers;
using System.Security.Cryptography;
using FedCore.Aggregator.Storage;
using FedCore.Compression;
using FedCore.Hosting.Storage;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Aggregator.Spooling;

/// <summary>The file of an upload, with the hash of what has come and the check of its content. For one caller at a time.</summary>
internal sealed class StagedFile : IDisposable
{
    /// <summary>How the name of an unfinished upload ends.</summary>
    public const string Extension = ".part";

    private const int Chunk = 1 << 18;

    private readonly SafeFileHandle _file;
    private readonly EarlyWrites _writes;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long _hashed;
    private ArrivedBytes? _arrived;
    private UpdateCheck? _check;

    private StagedFile(string path, SafeFileHandle file, byte[] head, long offset)
    {
        (Path, Key, _file, Head, Offset) = (path, System.IO.Path.GetFileNameWithoutExtension(path), file, head, offset);
        _writes = new EarlyWrites(file);
        Start = SpoolFormat.FileHeaderLength + head.Length;
    }

    /// <summary>Where it lies.</summary>
    public string Path { get; }

    /// <summary>What its label is known by.</summary>
    public string Key { get; }

    /// <summary>The record's header and label.</summary>
    public byte[] Head { get; }

    /// <summary>Bytes of the payload that are there.</summary>
    public long Offset { get; private set; }

    /// <summary>Bytes that the file has when it is complete, which are reserved on the disk from the beginning.</summary>
    public long FullLength => Start + SpoolFormat.PayloadLength(Head);

    /// <summary>Where the payload begins.</summary>
    public long Start { get; }

    /// <summary>Why the content is refused, or could not be looked at; null where nothing is wrong with it.</summary>
    public FedCoreException? Fault { get; private set; }

    /// <summary>Whether something went wrong in the middle of what was last done: what is on the disk is certain then, and nothing else.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>Creates a file and finds room for all that is to come.</summary>
    /// <exception cref="FedCoreException">There is no room (<c>spool.full</c>).</exception>
    public static StagedFile Create(string path, byte[] head)
    {
        ulong salt = SpoolRun.NewSalt();
        SpoolFormat.Seal(head, salt);
        byte[] header = new byte[SpoolFormat.FileHeaderLength];
        SpoolFormat.WriteFileHeader(header, SegmentKind.Single, salt);
        try
        {
            SafeFileHandle file = Disk.CreateFile(path, header.Length + head.Length + SpoolFormat.PayloadLength(head));
            try
            {
                RandomAccess.Write(file, [header, head], 0);
                return new StagedFile(path, file, head, 0);
            }
            catch
            {
                file.Dispose();
                SpoolRun.Delete(path);
                throw;
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw SpoolFaults.NotWritten(path, fault);
        }
    }

    /// <summary>Opens a file that is there; null where it is not that of an upload.</summary>
    public static StagedFile? Open(string path)
    {
        SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, Disk.Sharing);
        StagedFile? staged = null;
        try
        {
            byte[] bytes = new byte[SpoolFormat.FileHeaderLength + SpoolFormat.RecordHeaderLength + SpoolFormat.MaxLabelLength];
            ReadOnlySpan<byte> read = bytes.AsSpan(0, RandomAccess.Read(file, bytes, 0));
            if (!SpoolFormat.TryReadFileHeader(read, out SegmentKind kind, out ulong salt) || kind != SegmentKind.Single) return null;
            ReadOnlySpan<byte> record = read[SpoolFormat.FileHeaderLength..];
            if (SpoolFormat.HeadLength(record) is not { } length || length > record.Length) return null;
            byte[] head = record[..length].ToArray();
            if (!SpoolFormat.IsSound(head) || SpoolFormat.Salt(head) != salt) return null;
            long offset = RandomAccess.GetLength(file) - SpoolFormat.FileHeaderLength - length;
            if (offset > SpoolFormat.PayloadLength(head)) return null;
            return staged = new StagedFile(path, file, head, offset);
        }
        finally
        {
            if (staged is null) file.Dispose();
        }
    }

    /// <summary>Has the content checked from now on, unless it is already; before anything is written.</summary>
    /// <param name="begin">Begins the check of an update's bytes.</param>
    public void CheckWith(Func<IEncodedUpdate, UpdateCheck> begin)
    {
        if (_arrived is not null) return;
        _arrived = new ArrivedBytes(_file, Path, Start, SpoolFormat.PayloadLength(Head));
        _check = begin(_arrived);
    }

    /// <summary>Adds bytes behind the others, all of them or none.</summary>
    public void Write(ReadOnlySequence<byte> bytes)
    {
        while (CatchUp())
        {
        }

        HasFailed = true;
        long length = Start + Offset;
        try
        {
            var buffers = new List<ReadOnlyMemory<byte>>();
            foreach (ReadOnlyMemory<byte> part in bytes)
                if (!part.IsEmpty) buffers.Add(part);
            RandomAccess.Write(_file, buffers, length);
        }
        catch (IOException fault)
        {
            Cut(length);
            throw SpoolFaults.NotWritten(Path, fault);
        }

        Offset += bytes.Length;
        _writes.Wrote(Start + Offset);
        Take(bytes);
        HasFailed = false;
    }

    /// <summary>Hashes and checks a part of what was there before.</summary>
    /// <returns>Whether there is more of it.</returns>
    public bool CatchUp()
    {
        if (_hashed == Offset) return false;
        HasFailed = true;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Chunk);
        try
        {
            int count = RandomAccess.Read(_file, buffer.AsSpan(0, (int)Math.Min(Chunk, Offset - _hashed)), Start + _hashed);
            if (count == 0) throw new EndOfStreamException($"{Path}: the file has become shorter.");
            Take(new ReadOnlySequence<byte>(buffer, 0, count));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        HasFailed = false;
        return _hashed < Offset;
    }

    /// <summary>Whether the bytes that have come are those of the digest. To be asked once, when all are there.</summary>
    public bool IsDigestRight()
    {
        while (CatchUp())
        {
        }

        return _hash.GetHashAndReset().AsSpan().SequenceEqual(SpoolFormat.Digest(Head).Span);
    }

    /// <summary>Makes what has come durable.</summary>
    public void Sync(Disk disk) => disk.Sync(_file);

    // While they are at hand: the bytes are not read again for the check, unless all must be there before it can begin.
    private void Take(ReadOnlySequence<byte> bytes)
    {
        foreach (ReadOnlyMemory<byte> part in bytes) _hash.AppendData(part.Span);
        long offset = _hashed;
        _hashed += bytes.Length;
        if (_check is null || Fault is not null) return;
        _arrived!.Show(bytes, offset);
        try
        {
            _check.Advance(_hashed);
        }
        catch (FedCoreException fault)
        {
            // Whether it is the update's fault or the transfer's shows when all is there.
            Fault = fault;
        }
        finally
        {
            _arrived.Hide();
        }
    }

    // What cannot be cut off is written over by what comes next.
    private void Cut(long length)
    {
        try
        {
            RandomAccess.SetLength(_file, length);
        }
        catch (IOException)
        {
        }
    }

    public void Dispose()
    {
        _check?.Dispose();
        _file.Dispose();
        _hash.Dispose();
    }
}
