using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using FedCore.Privacy.Sampling;
using FedCore.Training.Data;

namespace FedCore.Training.Privacy;

/// <summary>Batches in which each example is with the same probability, independently of all others and of all other batches, drawn in secret. A batch may be empty.</summary>
/// <param name="count">Number of examples.</param>
/// <param name="rate">The probability, above 0 and at most 1; below by less than 2^-64.</param>
/// <param name="random">Random bytes.</param>
internal sealed class PoissonBatches(int count, double rate, RandomBytes random) : IBatchOrder
{
    private const int PieceLength = 1024;

    private readonly int[] _batch = new int[count];
    private readonly ulong _limit = rate >= 1 ? ulong.MaxValue : (ulong)Math.ScaleB(rate, 64);

    public ReadOnlySpan<int> Next()
    {
        if (rate < 1) return _batch.AsSpan(0, Draw());
        for (int place = 0; place < _batch.Length; place++) _batch[place] = place;
        return _batch;
    }

    // Whether an example's 64 random bits are below the limit, of which the upper 16 decide nearly always.
    private int Draw()
    {
        Span<ushort> words = stackalloc ushort[PieceLength];
        var most = Vector512.Create((ushort)(_limit >> 48));
        int length = 0;
        for (int first = 0; first < _batch.Length; first += PieceLength)
        {
            words.Fill(ushort.MaxValue);
            Span<ushort> piece = words[..Math.Min(PieceLength, _batch.Length - first)];
            random.NextBytes(MemoryMarshal.AsBytes(piece));
            for (int i = 0; i < piece.Length; i += Vector512<ushort>.Count)
            {
                for (ulong near = Vector512.LessThanOrEqual(Vector512.Create<ushort>(words[i..]), most).ExtractMostSignificantBits(); near != 0; near &= near - 1)
                {
                    int place = i + BitOperations.TrailingZeroCount(near);
                    if (place < piece.Length && IsBelow(piece[place])) _batch[length++] = first + place;
                }
            }
        }

        words.Clear();
        return length;
    }

    private bool IsBelow(ulong upper) => upper < _limit >> 48 || (upper << 48 | random.NextUInt64() >> 16) < _limit;
}
