using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FedCore.Aggregation.Robust;

/// <summary>
/// Sorts the columns of a matrix by comparing and exchanging whole rows: Batcher's merge exchange (Knuth, The Art of Computer Programming 3, algorithm 5.2.2M), which
/// takes any number of rows. Which rows meet does not depend on the values, so that many columns are sorted at once without a branch.
/// </summary>
internal sealed unsafe class SortingNetwork
{
    // So many columns are sorted together: a hundred rows of them fit a first-level cache.
    private const int Together = 64;

    private readonly (int Lower, int Upper)[] _exchanges;

    /// <summary>A network that brings some places of the order into their rows; the others may end up anywhere beside them.</summary>
    /// <param name="rows">Number of rows.</param>
    /// <param name="first">The first place that is wanted, from 0 for the smallest.</param>
    /// <param name="count">How many places from there on.</param>
    public SortingNetwork(int rows, int first, int count)
    {
        var wanted = new HashSet<int>(Enumerable.Range(first, count));
        var exchanges = new List<(int, int)>();

        // Backwards: what no later exchange and no wanted place reads need not be exchanged.
        foreach ((int lower, int upper) exchange in All(rows).Reverse())
        {
            if (!wanted.Contains(exchange.lower) && !wanted.Contains(exchange.upper)) continue;
            wanted.Add(exchange.lower);
            wanted.Add(exchange.upper);
            exchanges.Add(exchange);
        }

        exchanges.Reverse();
        _exchanges = [.. exchanges];
    }

    /// <summary>Number of exchanges.</summary>
    public int Length => _exchanges.Length;

    /// <summary>Sorts every column of a block.</summary>
    public void Sort(in BlockPass.Block block)
    {
        int columns = (block.Columns + 15) / 16 * 16;
        for (int row = 0; row < block.Rows; row++) TurnKeys(block.Values + (nint)row * block.Pitch, columns);
        for (int column = 0; column < columns; column += Together)
        {
            int* values = (int*)block.Values + column;
            if (columns - column >= Together) Exchange(values, block.Pitch);
            else for (int c = 0; c < columns - column; c += 16) ExchangeFew(values + c, block.Pitch);
        }

        for (int row = 0; row < block.Rows; row++) TurnKeys(block.Values + (nint)row * block.Pitch, columns);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Exchange(int* values, nint pitch)
    {
        foreach ((int lower, int upper) in _exchanges)
        {
            int* a = values + lower * pitch, b = values + upper * pitch;
            Exchange(a, b);
            Exchange(a + 16, b + 16);
            Exchange(a + 32, b + 32);
            Exchange(a + 48, b + 48);
        }
    }

    private void ExchangeFew(int* values, nint pitch)
    {
        foreach ((int lower, int upper) in _exchanges) Exchange(values + lower * pitch, values + upper * pitch);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Exchange(int* a, int* b)
    {
        Vector512<int> x = Vector512.Load(a), y = Vector512.Load(b);
        Vector512.Min(x, y).Store(a);
        Vector512.Max(x, y).Store(b);
    }

    // Floats as whole numbers of the same order, and back: negative ones get their other bits inverted. So minima are one instruction, and -0 lies below 0.
    private static void TurnKeys(float* row, int columns)
    {
        for (int* values = (int*)row, end = values + columns; values < end; values += 16)
        {
            Vector512<int> bits = Vector512.Load(values);
            (bits ^ ((bits >> 31) & Vector512.Create(int.MaxValue))).Store(values);
        }
    }

    private static IEnumerable<(int Lower, int Upper)> All(int rows)
    {
        int top = 1;
        while (top < rows - top) top *= 2;
        for (int p = rows < 2 ? 0 : top; p > 0; p /= 2)
        {
            for (int q = top, r = 0, d = p; ; d = q - p, q /= 2, r = p)
            {
                for (int i = 0; i < rows - d; i++)
                    if ((i & p) == r) yield return (i, i + d);
                if (q == p) break;
            }
        }
    }
}
