using System.Runtime.InteropServices;
using FedCore.Client.Storage;
using FedCore.Numerics;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Client.State;

/// <summary>A vector in a file of its own: its values as 32-bit floats, little-endian, and nothing else. So broadcasts of the server are written too.</summary>
internal static class VectorFile
{
    /// <summary>Reads a vector.</summary>
    /// <exception cref="IOException">The file is not there, or does not have the vector's length.</exception>
    public static void Read(string path, FlatVector vector)
    {
        using SafeFileHandle file = File.OpenHandle(path, share: FileShare.Read | FileShare.Delete);
        if (RandomAccess.GetLength(file) != vector.Length * sizeof(float))
            throw new IOException($"{path} has {RandomAccess.GetLength(file)} bytes, but {vector.Length} values take {vector.Length * sizeof(float)}");
        foreach ((long offset, int count) in VectorBlocks.Of(vector.Length))
        {
            Span<byte> bytes = MemoryMarshal.AsBytes(vector.Slice(offset, count));
            for (int done = 0; done < bytes.Length;)
            {
                int read = RandomAccess.Read(file, bytes[done..], offset * sizeof(float) + done);
                if (read == 0) throw new EndOfStreamException($"{path} became shorter while it was read");
                done += read;
            }
        }
    }

    /// <summary>Writes a vector to a new file. It is on the disk when the call returns, its name is not.</summary>
    public static void Write(string path, FlatVector vector, Disk disk)
    {
        using SafeFileHandle file = File.OpenHandle(path, FileMode.Create, FileAccess.Write);
        foreach ((long offset, int count) in VectorBlocks.Of(vector.Length)) RandomAccess.Write(file, MemoryMarshal.AsBytes(vector.Slice(offset, count)), offset * sizeof(float));
        disk.Sync(file, path);
    }
}
