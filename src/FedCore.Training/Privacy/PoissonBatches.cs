using FedCore.Privacy.Sampling;
using FedCore.Training.Data;

namespace FedCore.Training.Privacy;

/// <summary>Batches in which each example is with the same probability, independently of all others and of all other batches, drawn in secret. A batch may be empty.</summary>
/// <param name="count">Number of examples.</param>
/// <param name="rate">The probability, above 0 and at most 1; below by less than 2^-64.</param>
/// <param name="random">Random bytes.</param>
internal sealed class PoissonBatches(int count, double rate, RandomBytes random) : IBatchOrder
{
    private readonly int[] _batch = new int[count];
    private readonly ulong _limit = rate >= 1 ? ulong.MaxValue : (ulong)Math.ScaleB(rate, 64);

    public ReadOnlySpan<int> Next()
    {
        int length = 0;
        for (int place = 0; place < _batch.Length; place++)
            if (rate >= 1 || random.NextUInt64() < _limit) _batch[length++] = place;
        return _batch.AsSpan(0, length);
    }
}
