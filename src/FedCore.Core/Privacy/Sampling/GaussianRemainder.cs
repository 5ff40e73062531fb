using System.Numerics;

namespace FedCore.Privacy.Sampling;

/// <summary>Draws from what <see cref="RectangleCells"/> leave of <see cref="GaussianParts"/>: parts of cells, the blocks beyond the cells' columns, wedges, rests and the tail.</summary>
internal sealed class GaussianRemainder
{
    private const int GuideBits = 11;

    private readonly GaussianParts _parts;

    // By part, three of each block and the tail: the sum of the weights up to it. What is above the last is to be drawn anew.
    private readonly ulong[] _sums;
    private readonly ulong _all;
    private readonly ushort[] _guide = new ushort[1 << GuideBits];
    private readonly int _guideShift;

    public GaussianRemainder(GaussianParts parts, RectangleCells cells)
    {
        _parts = parts;
        _all = (ulong)cells.Left * RectangleCells.CellWeight;
        _sums = [.. parts.All];
        for (int block = 0; block < Math.Min(parts.Count, (int)RectangleCells.Undecided); block++) _sums[3 * block] %= RectangleCells.CellWeight;
        for (int part = 1; part < _sums.Length; part++) _sums[part] += _sums[part - 1];
        _guideShift = BitOperations.Log2(_all) + 1 - GuideBits;
        for (int i = 0, part = 0; i < _guide.Length; i++)
        {
            while (part < _sums.Length && (ulong)i << _guideShift >= _sums[part]) part++;
            _guide[i] = (ushort)part;
        }
    }

    /// <summary>Draws a number; null to draw anew, from everything.</summary>
    /// <param name="random">Random bytes.</param>
    public long? Next(RandomBytes random)
    {
        ulong u = random.NextBelow(_all), word = random.NextUInt64(), mask = (1UL << _parts.StepBits) - 1;
        int part = _guide[u >> _guideShift];
        while (part < _sums.Length && u >= _sums[part]) part++;
        bool isNegative = (word & 1) != 0;
        if (part >= _sums.Length - 1) return part == _sums.Length ? null : Signed(OfTail(random), isNegative);
        (int block, int kind) = Math.DivRem(part, 3);
        ulong step = (word >> 1) & mask;
        if (kind == 1) step = Math.Min(step, (word >> 33) & mask);
        if (kind == 2 && !_parts.KeepsRest(block, step, random)) return null;
        return Signed(((long)block << _parts.StepBits) + (long)step, isNegative);
    }

    // 0 is kept with one of the signs.
    private static long? Signed(long? x, bool isNegative) => isNegative ? (x == 0 ? null : -x) : x;

    private long? OfTail(RandomBytes random)
    {
        int piece = 0;
        while (random.NextBits(1) == 0) piece++;
        int bits = _parts.StepBits + GaussianParts.TailBits;
        long x = ((long)_parts.Count << _parts.StepBits) + ((long)piece << bits) + random.NextBits(bits);
        return _parts.KeepsTail(piece, x, random) ? x : null;
    }
}
