using FedCore.Aggregation.Robust;
using FedCore.Numerics;

namespace FedCore.Core.Tests.Aggregation.Robust;

public class SortingNetworkTests
{
    // Knuth, The Art of Computer Programming 3, section 5.3.4, theorem Z: what sorts all sequences of zeros and ones sorts all sequences.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(8)]
    [InlineData(11)]
    public void Every_sequence_of_zeros_and_ones_is_sorted(int rows)
    {
        int columns = 1 << rows;
        float[,] sorted = Sort(rows, columns, new SortingNetwork(rows, 0, rows), (row, column) => column >> row & 1);
        for (int column = 0; column < columns; column++)
        {
            int zeros = rows - System.Numerics.BitOperations.PopCount((uint)column);
            for (int row = 0; row < rows; row++) Assert.Equal(row < zeros ? 0 : 1, sorted[row, column]);
        }
    }

    // 63 exchanges sort 16 numbers: Knuth, table 5.3.4-1, for Batcher's network.
    [Fact]
    public void Sixteen_numbers_take_63_exchanges() => Assert.Equal(63, new SortingNetwork(16, 0, 16).Length);

    public static TheoryData<int, int, int> Places => new() { { 20, 9, 2 }, { 21, 10, 1 }, { 100, 49, 2 }, { 100, 20, 60 }, { 127, 0, 1 }, { 130, 129, 1 } };

    [Theory]
    [MemberData(nameof(Places))]
    public void Places_that_are_asked_for_hold_what_the_order_has_there(int rows, int first, int count)
    {
        const int columns = 91;
        RandomStream random = Statistics.Stream("sort", rows);
        float[,] values = new float[rows, columns];
        for (int row = 0; row < rows; row++)
            for (int column = 0; column < columns; column++) values[row, column] = column % 3 == 0 ? random.NextInt32(5) - 2 : (float)random.NextNormal();
        float[,] sorted = Sort(rows, columns, new SortingNetwork(rows, first, count), (row, column) => values[row, column]);
        for (int column = 0; column < columns; column++)
        {
            float[] expected = [.. Enumerable.Range(0, rows).Select(row => values[row, column]).Order()];
            for (int place = first; place < first + count; place++) Assert.Equal(expected[place], sorted[place, column]);
        }
    }

    [Fact]
    public void Few_places_take_fewer_exchanges_than_all() =>
        Assert.True(new SortingNetwork(100, 49, 2).Length < new SortingNetwork(100, 0, 100).Length);

    [Fact]
    public void Extreme_numbers_and_zeros_of_both_signs_keep_their_bits()
    {
        float[] values = [float.MaxValue, -0f, 0f, float.MinValue, float.Epsilon, -float.Epsilon];
        float[,] sorted = Sort(values.Length, 1, new SortingNetwork(values.Length, 0, values.Length), (row, _) => values[row]);
        float[] expected = [float.MinValue, -float.Epsilon, -0f, 0f, float.Epsilon, float.MaxValue];
        Assert.Equal(
            expected.Select(BitConverter.SingleToInt32Bits), Enumerable.Range(0, values.Length).Select(row => BitConverter.SingleToInt32Bits(sorted[row, 0])));
    }

    private static float[,] Sort(int rows, int columns, SortingNetwork network, Func<int, int, float> value)
    {
        int pitch = (columns + 15) / 16 * 16 + 16;
        using var buffer = new FlatVector((long)rows * pitch);
        for (int row = 0; row < rows; row++)
            for (int column = 0; column < columns; column++) buffer.AsSpan()[row * pitch + column] = value(row, column);
        network.Sort(new BlockPass.Block(0, 0, columns, rows, buffer, pitch));
        float[,] sorted = new float[rows, columns];
        for (int row = 0; row < rows; row++)
            for (int column = 0; column < columns; column++) sorted[row, column] = buffer.AsSpan()[row * pitch + column];
        return sorted;
    }
}
