using FedCore.Compression.Formats;
using FedCore.Numerics;

namespace FedCore.Core.Tests.Compression;

public class ValueFormatTests
{
    private static readonly int[] Counts = [1, 2, 15, 16, 255, 256, 257, 1000, VectorBlocks.BlockLength];

    public static TheoryData<IValueFormat> Formats => [new Float32(), new Float16(), new BFloat16(), new Int8(), new Int4()];

    // Half a unit in the last of 11 or 8 bits; one step of 127 or 7 in the largest magnitude of a group. Values below 2^-24 of the largest are subnormal halves.
    [Theory]
    [MemberData(nameof(Formats))]
    public void A_value_comes_back_within_the_formats_precision(IValueFormat format)
    {
        foreach (int count in Counts)
        {
            foreach (double scale in (double[])[1e-25, 1e-3, 1, 1e30])
            {
                float[] values = [.. Enumerable.Range(0, count).Select(i => (float)(scale * Statistics.Stream("values", i).NextNormal()))], decoded = RoundTrip(format, values);
                for (int i = 0; i < count; i++)
                {
                    double largest = values.Skip(i / 256 * 256).Take(256).Max(Math.Abs);
                    double allowed = format switch
                    {
                        Float32 => 0,
                        Float16 => Math.Max(Math.Abs(values[i]) * Math.Pow(2, -11), values.Max(Math.Abs) * Math.Pow(2, -38)),
                        BFloat16 => Math.Abs(values[i]) * Math.Pow(2, -8),
                        Int8 => largest / 127 * 1.0001,
                        _ => largest / 7 * 1.0001,
                    };
                    Assert.True(Math.Abs(decoded[i] - (double)values[i]) <= allowed, $"{values[i]} became {decoded[i]}");
                }
            }
        }
    }

    // A mean of n draws with steps of s has a deviation of at most s / 2 / sqrt(n); the limit is five of them.
    [Theory]
    [InlineData(typeof(Int8), 127)]
    [InlineData(typeof(Int4), 7)]
    public void Rounding_at_random_is_right_on_average(Type type, int levels)
    {
        const int draws = 4000;
        var format = (IValueFormat)Activator.CreateInstance(type)!;
        float[] values = [.. Enumerable.Range(0, 100).Select(i => i / 99f * 2 - 1)];
        double[] sums = new double[values.Length];
        for (int draw = 0; draw < draws; draw++)
        {
            float[] decoded = RoundTrip(format, values, draw);
            for (int i = 0; i < sums.Length; i++) sums[i] += decoded[i];
        }

        for (int i = 0; i < sums.Length; i++) Assert.Equal(values[i], sums[i] / draws, 5.0 / levels / 2 / Math.Sqrt(draws));
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Zeros_stay_zeros_and_the_largest_of_a_group_keeps_its_sign(IValueFormat format)
    {
        float[] values = new float[300];
        Assert.Equal(values, RoundTrip(format, values));
        (values[3], values[299]) = (-2.5f, 0.75f);
        float[] decoded = RoundTrip(format, values);
        Assert.Equal((-2.5f, 0.75f), (decoded[3], decoded[299]));
        Assert.Equal(298, decoded.Count(value => value == 0));
    }

    // The reference is .NET's own conversion of single numbers.
    [Fact]
    public void Halves_are_rounded_to_nearest_as_NETs()
    {
        float[] values = [.. Enumerable.Range(0, 2000).Select(i => (float)(30_000 * Math.Sin(i)))];
        values[0] = 32_767;
        Assert.Equal([.. values.Select(value => (float)(Half)value)], RoundTrip(new Float16(), values));
    }

    // To nearest, ties to even: 1 + 2^-8 lies between 1 and 1 + 2^-7 and becomes 1; 1 + 3 x 2^-8 becomes 1 + 2^-6.
    [Theory]
    [InlineData(1 + 1f / 256, 1)]
    [InlineData(1 + 3f / 256, 1 + 4f / 256)]
    [InlineData(-1 - 1.01f / 256, -1 - 2f / 256)]
    [InlineData(float.MaxValue, 3.38953139e38f)]
    public void Brain_floats_are_rounded_to_nearest(float value, float expected) => Assert.Equal(expected, RoundTrip(new BFloat16(), [value])[0]);

    [Theory]
    [MemberData(nameof(Formats))]
    public void Any_bytes_are_read_to_an_end(IValueFormat format)
    {
        RandomStream random = Statistics.Stream("bytes");
        for (int round = 0; round < 2000; round++)
        {
            float[] values = new float[1 + random.NextInt32(600)];
            byte[] bytes = new byte[format.ByteLength(values.Length)];
            for (int i = 0; i < bytes.Length; i++) bytes[i] = round % 3 == 0 ? (byte)255 : (byte)random.NextInt32(256);
            format.Decode(bytes, values);
        }
    }

    [Theory]
    [InlineData(typeof(Int4), 4096, 4096 / 2 + 16 * 4)]
    [InlineData(typeof(Int4), 3, 2 + 4)]
    [InlineData(typeof(Int8), 257, 257 + 8)]
    [InlineData(typeof(Float16), 10, 24)]
    [InlineData(typeof(BFloat16), 10, 20)]
    public void A_block_takes_so_many_bytes(Type type, int count, int bytes) => Assert.Equal(bytes, ((IValueFormat)Activator.CreateInstance(type)!).ByteLength(count));

    private static float[] RoundTrip(IValueFormat format, float[] values, int draw = 0)
    {
        byte[] bytes = new byte[format.ByteLength(values.Length)];
        var random = new LaneRandom(Statistics.Stream("rounding", draw));
        format.Encode(values, bytes, ref random);
        float[] decoded = new float[values.Length];
        format.Decode(bytes, decoded);
        return decoded;
    }
}
