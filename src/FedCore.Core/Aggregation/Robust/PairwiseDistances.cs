using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using FedCore.Updates;

namespace FedCore.Aggregation.Robust;

/// <summary>
/// The squared Euclidean distances between all pairs of updates, in one walk over them. Differences are squared, as the definition says: the shorter way over
/// norms and products would lose the distance of updates that are nearly equal.
/// </summary>
internal static class PairwiseDistances
{
    // So many updates meet as many others at once: their sums are in registers.
    private const int Tile = 4;

    // Each lane has sums of its own for all pairs: of many updates fewer lanes, so that they take at most as much memory as 16 lanes of so many.
    private const int ManyUpdates = 256;

    /// <summary>The distances between the model's changes.</summary>
    /// <param name="updates">The updates.</param>
    /// <param name="resources">Threads and memory.</param>
    /// <param name="ct">Cancels the walk.</param>
    /// <returns>A symmetric matrix over the places in <see cref="SpooledUpdates.Rows"/>.</returns>
    public static async Task<double[,]> ComputeAsync(SpooledUpdates updates, AggregationResources resources, CancellationToken ct)
    {
        (Section model, long begin) = updates.Layout.Find(Section.Model);
        int count = updates.Rows.Count;
        int laneCount = Math.Clamp(BlockPass.Lanes * ManyUpdates / count * ManyUpdates / count, 1, BlockPass.Lanes);
        double[][] lanes = [.. Enumerable.Range(0, laneCount).Select(_ => new double[checked(count * count)])];
        await BlockPass.RunAsync(
            updates, updates.Rows, begin, begin + model.Length, resources, (in block) => AddBlock(block, lanes[block.Lane]), ct, laneCount).ConfigureAwait(false);
        double[,] distances = new double[count, count];
        for (int i = 0; i < count; i++)
        {
            for (int j = i + 1; j < count; j++)
            {
                foreach (double[] lane in lanes) distances[i, j] += lane[i * count + j];
                distances[j, i] = distances[i, j];
            }
        }

        return distances;
    }

    private static unsafe void AddBlock(in BlockPass.Block block, double[] sums)
    {
        int rows = block.Rows, whole = rows / Tile * Tile;
        for (int i = 0; i < whole; i += Tile)
            for (int j = i; j < whole; j += Tile) AddTile(block, i, j, sums);
        for (int j = whole; j < rows; j++)
            for (int i = 0; i < j; i++) sums[i * rows + j] += Distance(block, i, j);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void AddTile(in BlockPass.Block block, int i, int j, double[] sums)
    {
        nint pitch = block.Pitch;
        float* a = block.Values + i * pitch, b = block.Values + j * pitch, end = a + block.Columns;
        Vector512<float> s00 = default, s01 = default, s02 = default, s03 = default, s10 = default, s11 = default, s12 = default, s13 = default;
        Vector512<float> s20 = default, s21 = default, s22 = default, s23 = default, s30 = default, s31 = default, s32 = default, s33 = default;
        for (; a < end; a += 16, b += 16)
        {
            Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + pitch), b2 = Vector512.Load(b + 2 * pitch), b3 = Vector512.Load(b + 3 * pitch);
            Vector512<float> x = Vector512.Load(a);
            s00 = AddSquare(x, b0, s00);
            s01 = AddSquare(x, b1, s01);
            s02 = AddSquare(x, b2, s02);
            s03 = AddSquare(x, b3, s03);
            x = Vector512.Load(a + pitch);
            s10 = AddSquare(x, b0, s10);
            s11 = AddSquare(x, b1, s11);
            s12 = AddSquare(x, b2, s12);
            s13 = AddSquare(x, b3, s13);
            x = Vector512.Load(a + 2 * pitch);
            s20 = AddSquare(x, b0, s20);
            s21 = AddSquare(x, b1, s21);
            s22 = AddSquare(x, b2, s22);
            s23 = AddSquare(x, b3, s23);
            x = Vector512.Load(a + 3 * pitch);
            s30 = AddSquare(x, b0, s30);
            s31 = AddSquare(x, b1, s31);
            s32 = AddSquare(x, b2, s32);
            s33 = AddSquare(x, b3, s33);
        }

        Add(sums.AsSpan(i * block.Rows + j), s00, s01, s02, s03);
        Add(sums.AsSpan((i + 1) * block.Rows + j), s10, s11, s12, s13);
        Add(sums.AsSpan((i + 2) * block.Rows + j), s20, s21, s22, s23);
        Add(sums.AsSpan((i + 3) * block.Rows + j), s30, s31, s32, s33);
    }

    private static unsafe double Distance(in BlockPass.Block block, int i, int j)
    {
        float* a = block.Values + i * (nint)block.Pitch, b = block.Values + j * (nint)block.Pitch, end = a + block.Columns;
        Vector512<float> sum = default;
        for (; a < end; a += 16, b += 16) sum = AddSquare(Vector512.Load(a), Vector512.Load(b), sum);
        return Sum(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> AddSquare(Vector512<float> x, Vector512<float> y, Vector512<float> sum)
    {
        Vector512<float> difference = x - y;
        return Vector512.FusedMultiplyAdd(difference, difference, sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(Span<double> sums, Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        sums[3] += Sum(d);
        sums[2] += Sum(c);
        sums[1] += Sum(b);
        sums[0] += Sum(a);
    }

    // Halves are added to halves down to four lanes, which is the same for any vector width.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static double Sum(Vector512<float> lanes)
    {
        Vector256<float> eight = lanes.GetLower() + lanes.GetUpper();
        Vector128<float> four = eight.GetLower() + eight.GetUpper();
        return ((double)four[0] + four[1]) + ((double)four[2] + four[3]);
    }
}
