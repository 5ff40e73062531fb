using FedCore.Numerics;

namespace FedCore.Core.Tests.Numerics;

public class VectorBlocksTests
{
    // Around the widths of registers and blocks, where tails are easily forgotten.
    private static readonly int[] Sizes = [1, 15, 16, 17, 31, 32, 33, 63, 4095, 4096, 4097, 4096 + 33];

    public static TheoryData<int> Lengths => [.. Sizes];

    // The two infinities, quiet NaNs of both signs, and the NaNs that are nearest to infinity and farthest from it.
    public static TheoryData<uint> NotFinite => [0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFFFFFFF];

    [Theory]
    [MemberData(nameof(NotFinite))]
    public void A_value_that_is_not_finite_is_found_at_every_position(uint bits)
    {
        float value = BitConverter.UInt32BitsToSingle(bits);
        for (int length = 1; length <= 100; length++)
        {
            float[] values = new float[length];
            for (int position = 0; position < length; position++)
            {
                values[position] = value;
                Assert.False(VectorBlocks.IsFinite(values), $"{position} of {length}");
                values[position] = 0;
            }
        }
    }

    [Theory]
    [MemberData(nameof(NotFinite))]
    public void A_value_that_is_not_finite_is_found_in_the_last_block_of_a_vector(uint bits)
    {
        using var vector = new FlatVector(2 * VectorBlocks.BlockLength + 5);
        vector.AsSpan()[^1] = BitConverter.UInt32BitsToSingle(bits);
        Assert.False(VectorBlocks.IsFinite(vector, vector.Length));
    }

    [Fact]
    public void Values_behind_the_length_do_not_count()
    {
        using var vector = new FlatVector(100);
        vector.AsSpan()[50] = float.NaN;
        Assert.True(VectorBlocks.IsFinite(vector, 50));
    }

    [Theory]
    [InlineData(float.MaxValue)]
    [InlineData(float.MinValue)]
    [InlineData(float.Epsilon)]
    [InlineData(-0f)]
    public void The_outermost_finite_values_are_finite(float value) => Assert.True(VectorBlocks.IsFinite(Enumerable.Repeat(value, 77).ToArray()));

    [Theory]
    [MemberData(nameof(Lengths))]
    public void A_scaled_difference_equals_the_scalar_loop_with_two_roundings(int length)
    {
        using FlatVector left = Random(length, 1), right = Random(length, 2);
        float[] target = new float[length];
        VectorBlocks.ScaledDifference(left.AsSpan(), right.AsSpan(), 1.7f, target);
        for (int i = 0; i < length; i++)
        {
            float difference = left.AsSpan()[i] - right.AsSpan()[i];
            Assert.Equal(difference * 1.7f, target[i]);
        }
    }

    [Theory]
    [InlineData(3, 4)]
    [InlineData(4, 3)]
    public void A_scaled_difference_of_different_lengths_is_refused(int right, int target) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => VectorBlocks.ScaledDifference(new float[4], new float[right], 1, new float[target]));

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Addition_equals_the_scalar_loop(int length)
    {
        using FlatVector target = Random(length, 1), addend = Random(length, 2);
        float[] expected = [.. target.AsSpan().ToArray().Zip(addend.AsSpan().ToArray(), (a, b) => a + b)];
        VectorBlocks.Add(target, addend);
        Assert.Equal(expected, target.AsSpan().ToArray());
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Scaled_addition_equals_the_scalar_loop_of_fused_steps(int length)
    {
        using FlatVector target = Random(length, 1), addend = Random(length, 2);
        float[] expected = [.. target.AsSpan().ToArray().Zip(addend.AsSpan().ToArray(), (a, b) => MathF.FusedMultiplyAdd(b, 0.3f, a))];
        VectorBlocks.AddScaled(target, 0.3f, addend);
        Assert.Equal(expected, target.AsSpan().ToArray());
    }

    // Products of floats are exact in decimal for these values, multiples of 2^-12 up to 8.
    [Theory]
    [MemberData(nameof(Lengths))]
    public void Squared_norm_equals_the_sum_in_decimal(int length)
    {
        using var vector = new FlatVector(length);
        RandomStream random = Statistics.Stream("norm", length);
        foreach (ref float value in vector.AsSpan()) value = (random.NextInt32(1 << 16) - (1 << 15)) / 4096f;
        decimal expected = vector.AsSpan().ToArray().Sum(value => (decimal)(double)value * (decimal)(double)value);
        Assert.Equal((double)expected, VectorBlocks.SquaredNorm(vector, length), 1e-9 * (double)expected);
    }

    [Fact]
    public void Squared_norm_of_large_values_does_not_overflow()
    {
        using var vector = new FlatVector(2);
        vector.AsSpan().Fill(1e30f);
        Assert.Equal(2e60, VectorBlocks.SquaredNorm(vector, 2), 1e54);
    }

    [Fact]
    public void Squared_norm_leaves_out_what_lies_behind_the_length()
    {
        using var vector = new FlatVector(40);
        vector.AsSpan().Fill(2);
        Assert.Equal(4 * 33, VectorBlocks.SquaredNorm(vector, 33));
    }

    private static FlatVector Random(int length, long seed)
    {
        var vector = new FlatVector(length);
        RandomStream random = Statistics.Stream("values", seed);
        foreach (ref float value in vector.AsSpan()) value = (float)random.NextNormal();
        return vector;
    }
}
