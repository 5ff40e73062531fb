using System.Runtime.Intrinsics;
using FedCore.Numerics;
using FedCore.Training.Tensors;

namespace FedCore.Training.Tests.Tensors;

/// <summary>Every output is one chain of fused multiply-adds in the order of k, for each vector width, so all widths give the same bits.</summary>
public unsafe class TileGridTests
{
    private const int MaxRows = 40, Depth = 5;

    private delegate void Grid(TileWork* work, int rows, int columns);

    // How many lanes, how many floats between the rows of C, and how many C begins behind a vector's boundary.
    public static TheoryData<int, int, int> LanesAndPlaces
    {
        get
        {
            var data = new TheoryData<int, int, int>();
            foreach (int lanes in Supported().Keys)
            {
                data.Add(lanes, 0, 0);
                data.Add(lanes, 0, lanes / 2);
                data.Add(lanes, 5, 0);
            }

            return data;
        }
    }

    [Fact]
    public void The_widest_vectors_of_the_machine_are_used() => Assert.Equal(Supported().Keys.Max(), TileGrid.VectorLength);

    [Theory]
    [MemberData(nameof(LanesAndPlaces))]
    public void Products_of_all_shapes_are_chains_in_the_order_of_k(int lanes, int gap, int offset)
    {
        foreach (int columns in Products.Columns)
        {
            for (int rows = 1; rows <= MaxRows; rows++)
            {
                Check(lanes, gap, offset, rows, columns, Depth, 1, TileMode.FromZero);
                Check(lanes, gap, offset, rows, columns, 1, 3, TileMode.FromBias);
                Check(lanes, gap, offset, rows, columns, 2, 2, TileMode.FromC);
                Check(lanes, gap, offset, rows, columns, 3, 1, TileMode.AddToC);
            }
        }
    }

    [Theory]
    [MemberData(nameof(LanesAndPlaces))]
    public void Without_a_depth_the_start_is_the_result(int lanes, int gap, int offset) => Check(lanes, gap, offset, 3, 17, 0, 1, TileMode.FromBias);

    [Fact]
    public void Run_covers_all_shapes_with_the_machines_own_vectors()
    {
        foreach (int columns in Products.Columns)
            for (int rows = 1; rows <= MaxRows; rows++)
                Check((work, r, c) => TileGrid.Run(*work, r, c), 0, 0, rows, columns, Depth, 1, TileMode.FromZero);
    }

    private static Dictionary<int, Grid> Supported()
    {
        var grids = new Dictionary<int, Grid> { [4] = TileGrid.Run<Vector128<float>, Lanes128, PairedLanes128> };
        if (Vector256.IsHardwareAccelerated) grids.Add(8, TileGrid.Run<Vector256<float>, Lanes256, PairedLanes256>);
        if (Vector512.IsHardwareAccelerated) grids.Add(16, TileGrid.Run<Vector512<float>, Lanes512, PairedLanes512>);
        return grids;
    }

    private static void Check(int lanes, int gap, int offset, int rows, int columns, int depth, int segments, TileMode mode) =>
        Check(Supported()[lanes], gap, offset, rows, columns, depth, segments, mode);

    // A is [k, row] with a gap behind each segment, as in a convolution; B is dense; C has a gap behind each row.
    private static void Check(Grid grid, int gap, int offset, int rows, int columns, int depth, int segments, TileMode mode)
    {
        const int segmentGap = 7;
        RandomStream random = Draw.Stream("tiles", rows * 1000 + columns);
        int length = depth * segments;
        float[] a = Draw.Uniform(random, segments * (depth * rows + segmentGap) + 1), b = Draw.Uniform(random, length * columns);
        float[] bias = Draw.Uniform(random, columns), before = Draw.Uniform(random, rows * columns);
        using GuardedBuffer aMemory = new(a), bMemory = new(b), biasMemory = new(bias), c = new(rows, columns, columns + gap, offset);
        c.Fill(before);
        var work = new TileWork
        {
            A = aMemory.Pointer,
            ARow = 1,
            AStep = rows,
            ASegment = segmentGap,
            B = bMemory.Pointer,
            BStep = columns,
            C = c.Pointer,
            CRow = columns + gap,
            Depth = depth,
            Segments = segments,
            Bias = biasMemory.Pointer,
            Mode = mode,
        };
        grid(&work, rows, columns);

        float[] expected = Products.Result(
            mode, rows, length, columns,
            (r, k) => a[k * rows + k / depth * segmentGap + r],
            (k, column) => b[k * columns + column],
            bias, before);
        c.AssertHolds(expected, $"{rows} x {columns}, depth {depth} x {segments}, {mode}, gap {gap}, offset {offset}");
    }
}
