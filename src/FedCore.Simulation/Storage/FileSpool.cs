using System.Runtime.InteropServices;
using FedCore.Aggregation.Spooling;
using FedCore.Numerics;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Simulation.Storage;

/// <summary>The updates of a round in a temporary file, which goes with the object: for rounds whose updates together are larger than memory should hold.</summary>
internal sealed class FileSpool : IUpdateSpool
{
    private readonly long _length;
    private readonly FileStream _stream;
    private readonly SafeFileHandle _file;

    /// <param name="length">Elements per update.</param>
    public FileSpool(long length)
    {
        _length = length;
        string path = Path.Combine(Path.GetTempPath(), "fedcore-" + Path.GetRandomFileName());
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.Delete, Options = FileOptions.DeleteOnClose, BufferSize = 0 };

        // Single clients' updates are nobody else's to read; and where a file may lose its name while it is open, it is gone however the process ends.
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        _stream = new FileStream(path, options);
        _file = _stream.SafeFileHandle;
        if (!OperatingSystem.IsWindows()) File.Delete(path);
    }

    /// <summary>Room for the updates of a round: in memory, or in a file where they are larger than a limit.</summary>
    public static IUpdateSpool Create(int updates, long length, FlatVectorPool pool, long memoryBytes) =>
        (double)updates * length * sizeof(float) > memoryBytes ? new FileSpool(length) : new MemorySpool(updates, length, pool);

    public void Write(int update, long offset, ReadOnlySpan<float> values) => RandomAccess.Write(_file, MemoryMarshal.AsBytes(values), PlaceOf(update, offset));

    public void Read(int update, long offset, Span<float> values)
    {
        Span<byte> bytes = MemoryMarshal.AsBytes(values);
        for (long place = PlaceOf(update, offset); !bytes.IsEmpty;)
        {
            int count = RandomAccess.Read(_file, bytes, place);
            if (count == 0) throw new EndOfStreamException($"Update {update} is not whole in the spool.");
            bytes = bytes[count..];
            place += count;
        }
    }

    public void Dispose() => _stream.Dispose();

    private long PlaceOf(int update, long offset) => (update * _length + offset) * sizeof(float);
}
