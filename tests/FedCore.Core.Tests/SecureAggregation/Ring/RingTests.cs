using FedCore.Numerics;
using FedCore.SecureAggregation.Ring;
using FedCore.Updates;
using FsCheck;
using FsCheck.Fluent;

namespace FedCore.Core.Tests.SecureAggregation.Ring;

public class RingTests
{
    private static readonly RingSection Model = new("model", 1000, true, 10, true), Control = new("control", 37, true, 2), Weight = new("weight", 1, false, 1), Examples = new("examples", 2, false, 1e9);

    [Fact]
    public void Packed_words_come_back_modulo_the_ring() => Check.One(Properties.Cases(300), Prop.ForAll(
        Gen.Choose(1, 32).ToArbitrary(), Gen.Choose(0, 70).ToArbitrary(), (bits, length) =>
        {
            uint[] words = [.. Enumerable.Range(0, length).Select(i => (uint)(i * 2654435761))], sum = new uint[length];
            byte[] packed = new byte[BitPacking.ByteLength(length, bits)];
            BitPacking.Pack(words, bits, packed);
            BitPacking.AddTo(packed, bits, sum);
            return sum.SequenceEqual(words.Select(word => bits == 32 ? word : word & ((1u << bits) - 1)));
        }));

    [Fact]
    public void Packed_in_pieces_of_eight_words_the_bytes_are_the_same()
    {
        uint[] words = [.. Enumerable.Range(0, 100).Select(i => (uint)(i * 2654435761))];
        byte[] whole = new byte[BitPacking.ByteLength(100, 21)], pieces = new byte[whole.Length];
        BitPacking.Pack(words, 21, whole);
        for (int first = 0; first < 100; first += 8)
            BitPacking.Pack(words.AsSpan(first, Math.Min(8, 100 - first)), 21, pieces.AsSpan(first / 8 * 21));
        Assert.Equal(whole, pieces);
    }

    // b = 1 + ceil(log2(n (ceil(C s) + 1) + z sigma s)); by hand: 100 (1000 + 1) = 100,100 -> 17 bits and a sign; with noise, z = sqrt(2 ln(2 * 10^6 * 2^40)) = 9.19, 100,100 + 9.19 * 10 * 1000 -> 192,000 -> 18 and a sign.
    [Theory]
    [InlineData(100, 1, 1000, 0, 1, 18)]
    [InlineData(100, 1, 1000, 10, 1_000_000, 19)]
    [InlineData(2, 1, 1, 0, 1, 3)]
    [InlineData(1, 1, 1, 0, 1, 2)]
    public void The_ring_has_as_many_bits_as_the_sum_needs(int clients, double clip, double scale, double noise, long length, int bits) =>
        Assert.Equal(bits, RingEncoding.LeastBits(clients, clip, scale, noise, length));

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(100)]
    [InlineData(1000)]
    [InlineData(1_000_000)]
    public void Scales_use_the_ring_and_never_wrap(int clients)
    {
        foreach (int bits in Enumerable.Range(RingEncoding.LeastBits(clients, 1, 1), 33 - RingEncoding.LeastBits(clients, 1, 1)))
        {
            RingEncoding encoding = RingEncoding.Create([Model, Weight, Examples], clients, new RingOptions { Bits = bits });
            RingSection model = encoding.Sections[0];
            Assert.InRange(RingEncoding.LeastBits(clients, model.Bound, model.Scale), 2, bits);
            Assert.True(RingEncoding.LeastBits(clients, model.Bound, 2.1 * model.Scale + 0.2) > bits);
        }
    }

    [Fact]
    public void A_ring_that_is_too_small_is_refused_with_the_smallest_that_fits()
    {
        FedCoreException fault = Assert.Throws<FedCoreException>(() => RingEncoding.Create([Model], 1000, new RingOptions { Bits = 8 }));
        Assert.Equal("secagg.ring", fault.Code);
        Assert.Contains("too small for the sum of 1000 clients: the smallest that fits has 12. Set bits to 12 or more", fault.Message, StringComparison.Ordinal);
        RingEncoding.Create([Model], 1000, new RingOptions { Bits = 12 });
        fault = Assert.Throws<FedCoreException>(() => RingEncoding.Create([Model], 1000, new RingOptions { Bits = 20, Scale = 1000 }));
        Assert.Contains("the smallest that fits has 25", fault.Message, StringComparison.Ordinal);
        Assert.Equal(25, RingEncoding.Create([Model], 1000, new RingOptions { Scale = 1000 }).Bits);
        fault = Assert.Throws<FedCoreException>(() => RingEncoding.Create([Model], 1000, new RingOptions { Scale = 1e9 }));
        Assert.Contains("more than 32: lower the scale or the clip", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_clip_that_is_none_is_refused(double clip) =>
        Assert.Equal("secagg.clip", Assert.Throws<FedCoreException>(() => RingEncoding.Create([Model with { Bound = clip }], 3, new RingOptions())).Code);

    [Fact]
    public void A_sum_is_the_clients_sum_to_a_step_of_each()
    {
        RingEncoding encoding = RingEncoding.Create([Model, Control, Weight, Examples], 5, new RingOptions());
        (float[] expected, double[] scalars, RingSum sum) = SumOf(encoding, 5, magnitude: 0.1f);
        Assert.Equal(scalars, sum.DecodeScalars());
        sum.DecodeWords();
        for (int i = 0; i < 1037; i++)
            Assert.InRange(BitConverter.UInt32BitsToSingle(sum.Words(i, 1)[0]) - expected[i], -1e-6f, 1e-6f); // 5 steps of 10 / 4.3e8 and the rounding of sums near 0.5
    }

    // Steps of 1/8: with 5,000 clients of the value 0.3 (2.4 steps) the mean is within five standard deviations, sqrt(.4 * .6 / 5000) steps.
    [Fact]
    public void Rounding_has_no_bias()
    {
        RingEncoding encoding = RingEncoding.Create([new("model", 16, true, 10)], 5000, new RingOptions { Scale = 8 });
        using var words = new FlatVector(16);
        var sum = new RingSum(encoding, words);
        var encoder = new RingEncoder(Statistics.Stream("rounding"));
        for (int client = 0; client < 5000; client++)
        {
            uint[] encoded = new uint[16];
            encoder.Encode(encoding.Sections[0], 1, [.. Enumerable.Repeat(0.3f, 16)], encoded);
            for (int i = 0; i < 16; i++) sum.Words(i, 1)[0] += encoded[i];
        }

        sum.DecodeWords();
        double spread = 5 * Math.Sqrt(0.4 * 0.6 / 5000) / 8;
        for (int i = 0; i < 16; i++) Assert.InRange(words.AsSpan()[i] / 5000, 0.3 - spread, 0.3 + spread);
    }

    [Fact]
    public void A_vector_is_scaled_down_to_its_bound_times_the_weight()
    {
        Assert.Equal(10 / Math.Sqrt(1000), RingEncoder.ClipFactor(Model, 1000, 1), 12);
        Assert.Equal(2.5 / Math.Sqrt(1000), RingEncoder.ClipFactor(Model, 1000, 0.25), 12);
        Assert.Equal(10 / Math.Sqrt(1000), RingEncoder.ClipFactor(Model with { IsWeighted = false }, 1000, 0.25), 12);
        Assert.Equal(1, RingEncoder.ClipFactor(Model with { Bound = 32 }, 1000, 1));
    }

    // All at the bound, the largest sum that there is: it must not change its sign.
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(1000)]
    public void The_largest_sum_does_not_wrap(int clients)
    {
        foreach (int bits in (int[])[32, 31, 24, RingEncoding.LeastBits(clients, 1, 1)])
        {
            RingEncoding encoding = RingEncoding.Create([new("model", 32, true, 10)], clients, new RingOptions { Bits = bits });
            using var words = new FlatVector(32);
            foreach (float value in (float[])[10, -10, 1e30f])
            {
                var sum = new RingSum(encoding, words);
                var encoder = new RingEncoder(Statistics.Stream("bound"));
                for (int client = 0; client < clients; client++)
                {
                    uint[] encoded = new uint[32];
                    encoder.Encode(encoding.Sections[0], 1, [.. Enumerable.Repeat(value, 32)], encoded);
                    byte[] packed = new byte[BitPacking.ByteLength(32, bits)];
                    BitPacking.Pack(encoded, bits, packed);
                    sum.AddWords(0, packed, 32);
                }

                sum.DecodeWords();
                float expected = Math.Clamp(value, -10, 10) * clients;
                for (int i = 0; i < 32; i++) Assert.InRange(words.AsSpan()[i] / expected, 0.999f, 1.001f);
            }
        }
    }

    [Fact]
    public void Input_that_is_not_finite_or_out_of_bounds_is_refused()
    {
        RingEncoding encoding = RingEncoding.Create([Model, Weight, Examples], 5, new RingOptions());
        foreach (double[] bad in (double[][])[[double.NaN, 1, 1], [2, 1, 1], [1, double.PositiveInfinity, 1], [1, 1, -2e9], [1, 1], [1, 1, 1, 1]])
            Assert.Equal("secagg.input", Assert.Throws<UpdateRefusedException>(() => RingEncoder.EncodeScalars(encoding, bad, new ulong[3])).Code);
        foreach (double bad in (double[])[double.NaN, double.PositiveInfinity]) Assert.Equal("secagg.input", Assert.Throws<UpdateRefusedException>(() => RingEncoder.ClipFactor(Model, bad, 1)).Code);
    }

    [Fact]
    public void Whatever_changes_the_encoding_changes_its_digest()
    {
        string Digest(RingSection section, int clients = 5, int? bits = null) => Convert.ToHexString(RingEncoding.Create([section], clients, new RingOptions { Bits = bits }).Digest());
        string[] digests =
        [
            Digest(Model), Digest(Model with { Name = "other" }), Digest(Model with { Length = 999 }), Digest(Model with { Bound = 11 }), Digest(Model with { IsWeighted = false }), Digest(Model, 6), Digest(Model, 5, 31),
        ];
        Assert.Equal(digests.Length, digests.Distinct().Count());
        Assert.Equal(Digest(Model), digests[0]);
    }

    private static (float[] Vector, double[] Scalars, RingSum Sum) SumOf(RingEncoding encoding, int clients, float magnitude)
    {
        float[] expected = new float[encoding.VectorLength];
        double[] scalars = new double[3];
        var sum = new RingSum(encoding, new FlatVector(encoding.VectorLength));
        for (int client = 0; client < clients; client++)
        {
            RandomStream random = Statistics.Stream("client", client);
            var encoder = new RingEncoder(random);
            float[] values = [.. expected.Select(_ => magnitude * (2 * (float)random.NextDouble() - 1))];
            double[] beside = [0.25, 100 + client, -7.5];
            ulong[] words = new ulong[3];
            RingEncoder.EncodeScalars(encoding, beside, words);
            for (int i = 0; i < 3; i++) (sum.Scalars[i], scalars[i]) = (sum.Scalars[i] + words[i], scalars[i] + beside[i]);
            int start = 0;
            foreach (RingSection section in encoding.Sections.Where(section => section.IsVector))
            {
                uint[] encoded = new uint[section.Length];
                encoder.Encode(section, 1, values.AsSpan(start, encoded.Length), encoded);
                for (int i = 0; i < encoded.Length; i++) sum.Words(start + i, 1)[0] += encoded[i];
                start += encoded.Length;
            }

            for (int i = 0; i < expected.Length; i++) expected[i] += values[i];
        }

        return (expected, scalars, sum);
    }
}
