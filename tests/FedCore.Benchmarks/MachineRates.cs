using System.Diagnostics;
using System.Security.Cryptography;
using FedCore.Numerics;

namespace FedCore.Benchmarks;

/// <summary>What a thread of this machine does at most, for comparison: a machine that others use too is not the same from minute to minute.</summary>
internal static class MachineRates
{
    /// <summary>GB/s of reading 200 MB, by copying it block by block into the cache. The best of five.</summary>
    public static double Copy()
    {
        using var source = new FlatVector(50_000_000);
        float[] block = new float[VectorBlocks.BlockLength];
        return BestOf(source.Length * sizeof(float), () =>
        {
            for (long offset = 0; offset + block.Length <= source.Length; offset += block.Length) source.Slice(offset, block.Length).CopyTo(block);
        });
    }

    /// <summary>GB/s of SHA-256 over what lies in the cache. The best of five.</summary>
    public static double Sha256()
    {
        byte[] block = new byte[1 << 16];
        byte[] digest = new byte[SHA256.HashSizeInBytes];
        const int blocks = 1000;
        return BestOf((long)blocks * block.Length, () =>
        {
            for (int i = 0; i < blocks; i++) SHA256.HashData(block, digest);
        });
    }

    private static double BestOf(long bytes, Action work)
    {
        double best = 0;
        for (int repetition = 0; repetition < 5; repetition++)
        {
            long start = Stopwatch.GetTimestamp();
            work();
            best = Math.Max(best, bytes / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9);
        }

        return best;
    }
}
