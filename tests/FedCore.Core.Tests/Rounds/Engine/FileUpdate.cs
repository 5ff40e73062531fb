using System.Runtime.InteropServices;
using FedCore.Compression;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Updates;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Core.Tests.Rounds.Engine;

/// <summary>An update that lies in a file as it came over the wire, and is read a part at a time.</summary>
internal sealed class FileUpdate(RunPlan plan, string path, int round) : IUpdateSource
{
    public ValueTask<IUpdateReader> OpenAsync(CancellationToken ct) => new(plan.WireCodec.Open(new Bytes(path), round));

    /// <summary>Writes a client's update: of weight 1, with small changes that are other ones for every client and place.</summary>
    public static void Write(RunPlan plan, string path, int client)
    {
        using FileStream file = File.Create(path);
        double[] scalars = [.. Enumerable.Range(0, plan.TrainLayout.ScalarCount).Select(_ => 1.0)];
        file.Write(MemoryMarshal.AsBytes<double>(scalars));
        float[] block = new float[VectorBlocks.BlockLength];
        foreach ((long offset, int count) in VectorBlocks.Of(plan.TrainLayout.VectorLength))
        {
            for (int i = 0; i < count; i++) block[i] = ((client * 7919 + offset / 64 + i) % 1009 - 504) * 1e-6f;
            file.Write(MemoryMarshal.AsBytes(block.AsSpan(0, count)));
        }
    }

    private sealed class Bytes(string path) : IEncodedUpdate
    {
        private readonly SafeFileHandle _file = File.OpenHandle(path);
        private readonly byte[] _part = new byte[IEncodedUpdate.LongestRead];

        public long Length => RandomAccess.GetLength(_file);

        public ReadOnlySpan<byte> Read(long offset, int count)
        {
            for (int read = 0; read < count;)
            {
                int more = RandomAccess.Read(_file, _part.AsSpan(read, count - read), offset + read);
                if (more == 0) throw new EndOfStreamException();
                read += more;
            }

            return _part.AsSpan(0, count);
        }

        public void Dispose() => _file.Dispose();
    }
}
