using System.Runtime.Intrinsics;
using FedCore.Numerics;
using FedCore.Training.Tensors;

namespace FedCore.Training.Tests.Tensors;

/// <summary>Products that leave out the zeros of A give the bits of the products that do not.</summary>
public unsafe class SparseProductTests
{
    private delegate void Product(in TileWork work, int rows, int columns);

    // How many lanes, how many floats between the rows of C, and how many C begins behind a vector's boundary.
    public static TheoryData<int, int, int> LanesAndPlaces
    {
        get
        {
            var data = new TheoryData<int, int, int>();
            foreach (int lanes in Supported().Keys)
            {
                data.Add(lanes, 0, 0);
                data.Add(lanes, 5, 3);
            }

            return data;
        }
    }

    // Columns that fill a strip of vectors, more than one strip, and leave tails; depths up to a row's bits, and more.
    [Theory]
    [MemberData(nameof(LanesAndPlaces))]
    public void Products_of_all_shapes_are_chains_in_the_order_of_k(int lanes, int gap, int offset)
    {
        foreach (int columns in (int[])[.. Products.Columns, 64, 100, 224, 225, 512])
        {
            foreach (int rows in (int[])[1, 16, 33])
            {
                foreach (double share in (double[])[0, 0.3, 1])
                {
                    foreach (bool inRows in (bool[])[true, false])
                    {
                        Check(lanes, gap, offset, rows, columns, 5, share, inRows, TileMode.FromZero);
                        Check(lanes, gap, offset, rows, columns, 33, share, inRows, TileMode.FromC);
                        Check(lanes, gap, offset, rows, columns, 64, share, inRows, TileMode.AddToC);
                        Check(lanes, gap, offset, rows, columns, 131, share, inRows, TileMode.FromBias);
                    }
                }
            }
        }
    }

    [Fact]
    public void Run_covers_all_shapes_with_the_machines_own_vectors()
    {
        foreach (int columns in Products.Columns)
            foreach (int rows in (int[])[1, 7, 40])
                Check(SparseProduct.Run, 0, 0, rows, columns, 70, 0.3, inRows: true, TileMode.FromBias);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void It_suits_operands_that_hold_many_zeros(bool inRows)
    {
        Assert.True(Suits(32, 200, 200, 0.2, inRows));
        Assert.False(Suits(32, 200, 200, 0.9, inRows));
        Assert.True(Suits(32, 200, 200, 0, inRows));
    }

    [Fact]
    public void It_does_not_suit_few_columns() => Assert.False(Suits(32, 200, 8 * TileGrid.VectorLength - 1, 0.2, inRows: true));

    [Fact]
    public void It_does_not_suit_operands_of_which_no_vector_can_be_looked_at() => Assert.False(Suits(32, 15, 200, 0, inRows: true));

    // The sum over the batch must be complete before it is added, and a row's places must be bits of a number.
    [Fact]
    public void It_does_not_suit_sums_over_more_than_64_that_are_added()
    {
        Assert.True(Suits(200, 64, 200, 0.2, inRows: false, TileMode.AddToC));
        Assert.False(Suits(200, 65, 200, 0.2, inRows: false, TileMode.AddToC));
        Assert.True(Suits(200, 65, 200, 0.2, inRows: false, TileMode.FromZero));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_is_not_a_number_is_not_taken_for_a_zero(bool inRows)
    {
        float[] a = new float[32 * 32], b = [.. Enumerable.Repeat(1f, 32 * 64)];
        a[inRows ? 5 * 32 + 7 : 7 * 32 + 5] = float.NaN;
        using GuardedBuffer aMemory = new(a), bMemory = new(b), c = new(32, 64, 64);
        SparseProduct.Run(Work(aMemory, bMemory, c, 32, 32, 64, inRows, TileMode.FromZero), 32, 64);
        Assert.All(new Span<float>(c.Pointer + 5 * 64, 64).ToArray(), value => Assert.True(float.IsNaN(value)));
        Assert.All(new Span<float>(c.Pointer, 5 * 64).ToArray(), value => Assert.Equal(0, value));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_smallest_number_is_not_taken_for_a_zero(bool inRows)
    {
        float[] a = new float[32 * 32], b = [.. Enumerable.Repeat(1f, 32 * 64)];
        Array.Fill(a, float.Epsilon);
        using GuardedBuffer aMemory = new(a), bMemory = new(b), c = new(32, 64, 64);
        SparseProduct.Run(Work(aMemory, bMemory, c, 32, 32, 64, inRows, TileMode.FromZero), 32, 64);
        c.AssertHolds([.. Enumerable.Repeat(32 * float.Epsilon, 32 * 64)], "32 of the smallest number");
    }

    private static Dictionary<int, Product> Supported()
    {
        var products = new Dictionary<int, Product> { [4] = SparseProduct.Run<Vector128<float>, Lanes128> };
        if (Vector256.IsHardwareAccelerated) products.Add(8, SparseProduct.Run<Vector256<float>, Lanes256>);
        if (Vector512.IsHardwareAccelerated) products.Add(16, SparseProduct.Run<Vector512<float>, Lanes512>);
        return products;
    }

    private static TileWork Work(GuardedBuffer a, GuardedBuffer b, GuardedBuffer c, int rows, int depth, int columns, bool inRows, TileMode mode) => new()
    {
        A = a.Pointer,
        ARow = inRows ? depth : 1,
        AStep = inRows ? 1 : rows,
        B = b.Pointer,
        BStep = columns,
        C = c.Pointer,
        CRow = columns,
        Depth = depth,
        Segments = 1,
        Mode = mode,
    };

    private static bool Suits(int rows, int depth, int columns, double share, bool inRows, TileMode mode = TileMode.FromZero)
    {
        using GuardedBuffer a = new(Draw.Sparse(Draw.Stream("sparse", depth), rows * depth, share)), none = new([]);
        return SparseProduct.Suits(Work(a, none, none, rows, depth, columns, inRows, mode), rows, columns);
    }

    private static void Check(int lanes, int gap, int offset, int rows, int columns, int depth, double share, bool inRows, TileMode mode) =>
        Check(Supported()[lanes], gap, offset, rows, columns, depth, share, inRows, mode);

    private static void Check(Product product, int gap, int offset, int rows, int columns, int depth, double share, bool inRows, TileMode mode)
    {
        RandomStream random = Draw.Stream("sparse", rows * 1000 + columns);
        float[] a = Draw.Sparse(random, rows * depth, share), b = Draw.Uniform(random, depth * columns);
        float[] bias = Draw.Uniform(random, columns), before = Draw.Uniform(random, rows * columns);
        using GuardedBuffer aMemory = new(a), bMemory = new(b), biasMemory = new(bias), c = new(rows, columns, columns + gap, offset);
        c.Fill(before);
        TileWork work = Work(aMemory, bMemory, c, rows, depth, columns, inRows, mode);
        work.CRow += gap;
        work.Bias = biasMemory.Pointer;
        product(work, rows, columns);

        float[] expected = Products.Result(
            mode, rows, depth, columns,
            (r, k) => a[inRows ? r * depth + k : k * rows + r],
            (k, column) => b[k * columns + column],
            bias, before);
        c.AssertHolds(expected, $"{rows} x {columns}, depth {depth}, share {share}, in rows {inRows}, {mode}, gap {gap}, offset {offset}");
    }
}
