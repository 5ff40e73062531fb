using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using FedCore.Compression;
using FedCore.Numerics;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Rdp;
using FedCore.Privacy.Sampling;
using FedCore.SecureAggregation.Ring;
using FedCore.Updates;

namespace FedCore.Core.Tests.SecureAggregation.Ring;

public class RingNoiseTests
{
    private const int Length = 4096;

    private static readonly UpdateLayout Layout = new(new Section(Section.Model, SectionRole.Model, Length, Weighting.Scalar), new Section(Section.Weight, SectionRole.Weight, 1));
    private static readonly UpdateLayout Counting = Layout.With(new Section(Section.Unclipped, SectionRole.Indicator, 1));

    // min((cs)^2 + d/4 + cs + sqrt(d)/2, (cs + sqrt(d))^2) for beta = exp(-1/2): Kairouz, Liu and Steinke 2021, equation 3, in units of the ring.
    [Theory]
    [InlineData(100)]
    [InlineData(3)]
    public void Sensitivity_is_that_of_conditional_rounding(double scale)
    {
        RingNoise noise = Ring(new RingNoiseOptions(50, 10), scale: scale).Encoding.Noise!;
        double root = Math.Sqrt(Length), expected = Math.Min(scale * scale + Length / 4.0 + scale + root / 2, (scale + root) * (scale + root));
        Assert.Equal(Math.Sqrt(expected), noise.Sensitivity, 1e-2);
    }

    [Fact]
    public void Where_nothing_is_said_the_scale_is_the_smallest_that_adds_a_hundredth()
    {
        UpdateRing ring = Ring(new RingNoiseOptions(1, 10));
        double scale = ring.Encoding.Sections[0].Scale;
        Assert.Equal(1.01, ring.Encoding.Noise!.Sensitivity / scale, 1e-4);
        Assert.InRange(ring.Encoding.Bits, 10, 20);
        Assert.True(new RdpAccountant().Supports(ring.Encoding.Noise.EventOf(10)));
        Assert.Equal(1, RdpAccountant.EquivalentNoiseMultiplier(ring.Encoding.Noise.EventOf(10)), 1e-4);
    }

    [Fact]
    public void Rounded_vectors_are_never_longer_than_the_noise_is_for()
    {
        RandomStream random = Statistics.Stream("vectors");
        UpdateRing ring = Ring(new RingNoiseOptions(1, 0), scale: 40);
        for (int i = 0; i < 200; i++)
        {
            // Long and short ones, dense and sparse.
            float[] vector = new float[Length];
            for (int j = 0; j < Length; j++) vector[j] = random.NextDouble() < 0.5 ? 0 : (float)(random.NextNormal() * Math.Pow(10, i % 5 - 3));
            var memory = new FlatVector(Length);
            var sum = new RingSum(ring.Encoding, memory);
            ring.Write(Encode(vector), random, null, null, new RingSumWriter(sum));
            double norm = 0;
            foreach (double word in Words(sum, ring.Encoding.Bits)) norm += word * word;
            Assert.InRange(norm, 0, ring.Encoding.Noise!.MostSquaredNorm);
        }
    }

    // What floats cannot hold makes a number of 30 bits longer than it is, each time it is rounded.
    [Fact]
    public void A_vector_that_is_all_in_one_number_is_written_too()
    {
        UpdateRing ring = Ring(new RingNoiseOptions(0.1, 0), clients: 1);
        float[] vector = new float[Length];
        vector[7] = 5;
        using var memory = new FlatVector(Length);
        var sum = new RingSum(ring.Encoding, memory);
        ring.Write(Encode(vector), Statistics.Stream("one"), null, null, new RingSumWriter(sum));
        Assert.Equal(ring.Encoding.Noise!.Sensitivity, (int)sum.Words(7, 1)[0], 1e-6 * ring.Encoding.Noise.Sensitivity);
    }

    [Fact]
    public void Shares_of_noise_add_up_to_what_was_asked_for_when_the_fewest_are_left()
    {
        UpdateRing ring = Ring(new RingNoiseOptions(2, 6), clients: 10);
        using var memory = new FlatVector(Length);
        var sum = new RingSum(ring.Encoding, memory);
        for (int client = 0; client < 6; client++)
        {
            using var noise = new SimulationRandomBytes(Statistics.Stream("noise", client));
            ring.Write(Encode(new float[Length]), Statistics.Stream("rounding", client), noise, null, new RingSumWriter(sum));
        }

        AssertDeviation(2 * ring.Encoding.Noise!.Sensitivity, Words(sum, ring.Encoding.Bits));
    }

    [Fact]
    public void Noise_of_one_who_adds_it_all_is_as_wide_as_was_asked_for()
    {
        UpdateRing ring = Ring(new RingNoiseOptions(3, 0), clients: 50);
        using var memory = new FlatVector(Length);
        var sum = new RingSum(ring.Encoding, memory);
        using var noise = new SystemRandomBytes();
        sum.AddNoise(noise);
        AssertDeviation(3 * ring.Encoding.Noise!.Sensitivity, Words(sum, 32));
        Assert.Equal(new DiscreteGaussianEvent(Math.Sqrt(ring.Encoding.Noise.Variance), ring.Encoding.Noise.Sensitivity, Length), ring.Encoding.Noise.EventOf(0));
    }

    [Fact]
    public void Noise_that_is_taken_back_leaves_nothing()
    {
        UpdateRing ring = Ring(new RingNoiseOptions(3, 0) { MostAtOnce = 8 }, clients: 50);
        using var memory = new FlatVector(Length);
        var sum = new RingSum(ring.Encoding, memory);
        using var key = NoiseKey.Create();
        using (RandomBytes noise = key.Draw("node")) sum.AddNoise(noise);
        Assert.Contains(Words(sum, 32), word => word != 0);
        using (RandomBytes noise = key.Draw("node")) sum.AddNoise(noise, isTakenBack: true);
        Assert.All(Words(sum, 32), word => Assert.Equal(0, word));
    }

    // What noise was added in one round must be taken back in another, when other clients are there.
    [Fact]
    public void Where_noise_comes_again_its_steps_do_not_depend_on_the_clients()
    {
        RingEncoding few = Ring(new RingNoiseOptions(3, 0) { MostAtOnce = 8 }, clients: 3).Encoding, many = Ring(new RingNoiseOptions(3, 0) { MostAtOnce = 8 }, clients: 3000).Encoding;
        Assert.Equal(few.Sections.Single(section => section.IsVector).Scale, many.Sections.Single(section => section.IsVector).Scale);
        Assert.Equal(few.Noise!.Variance, many.Noise!.Variance);
        Assert.True(few.Bits < many.Bits);
    }

    [Fact]
    public void A_client_that_has_noise_to_add_does_not_write_without_it() =>
        Assert.Throws<ArgumentNullException>(() => Ring(new RingNoiseOptions(1, 3)).Write(Encode(new float[Length]), Statistics.Stream("none"), null, null, new ArrayBufferWriter<byte>()));

    // A count of plus or minus a half with noise s costs as a noise multiplier of 2 s: the two together cost (z^-2 + (2 s)^-2)^-1/2 (Andrew et al. 2021, theorem 1).
    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    public void Counting_the_clipped_is_part_of_what_the_noise_costs(int sharers)
    {
        var ring = new UpdateRing(Codec(Counting), new RingOptions { Clip = 1, Noise = new RingNoiseOptions(2, sharers) { CountNoise = 3 } }, 10, false);
        double expected = Math.Pow(1 / 4.0 + 1 / 36.0, -0.5);
        Assert.Equal(expected, RdpAccountant.EquivalentNoiseMultiplier(ring.Encoding.Noise!.EventOf(Math.Max(1, sharers))), 1e-4);
    }

    [Fact]
    public void The_count_of_the_clipped_has_its_noise()
    {
        var ring = new UpdateRing(Codec(Counting), new RingOptions { Clip = 1, Noise = new RingNoiseOptions(2, 0) { CountNoise = 3 } }, 10, false);
        double squares = 0;
        const int Draws = 400;
        using var memory = new FlatVector(Length);
        for (int i = 0; i < Draws; i++)
        {
            var sum = new RingSum(ring.Encoding, memory);
            using var noise = new SimulationRandomBytes(Statistics.Stream("count", i));
            sum.AddNoise(noise);
            squares += Math.Pow(sum.DecodeScalars()[1], 2);
            Assert.Equal(0, sum.DecodeScalars()[0]);
        }

        Assert.Equal(1, squares / Draws / 9, 4 * Math.Sqrt(2.0 / Draws));
    }

    [Fact]
    public void Noise_that_is_too_narrow_for_the_ring_is_refused()
    {
        var fault = Assert.Throws<FedCoreException>(() => Ring(new RingNoiseOptions(0.2, 50), clients: 60, scale: 2));
        Assert.Equal("privacy.ring", fault.Code);
        Assert.Contains("too narrow", fault.Message, StringComparison.Ordinal);
        fault = Assert.Throws<FedCoreException>(() => new UpdateRing(Codec(Layout), new RingOptions { Clip = 1, Bits = 8, Scale = 100, Noise = new RingNoiseOptions(10, 5) }, 10, false));
        Assert.Equal("secagg.ring", fault.Code);
    }

    // However the noise falls, the sum of n clients at the bound does not wrap but for a chance of 2^-40: z = sqrt(2 ln(2 d 2^40)) deviations fit above it.
    [Fact]
    public void The_ring_has_room_for_all_clients_and_their_noise()
    {
        foreach (int clients in (int[])[1, 3, 100, 5000])
            foreach (int sharers in (int[])[0, (clients + 1) / 2])
            {
                RingEncoding encoding = Ring(new RingNoiseOptions(4, sharers), clients).Encoding;
                double needed = clients * encoding.Noise!.Sensitivity + Math.Sqrt(2 * Math.Log(2 * Length * Math.Pow(2, 40))) * Math.Sqrt((double)encoding.Noise.Variance * (encoding.Noise.IsShared ? clients : 1));
                Assert.InRange(needed, 0, Math.Pow(2, encoding.Bits - 1));
            }
    }

    [Fact]
    public void What_everybody_signs_names_the_noise()
    {
        string Digest(RingNoiseOptions? noise) => Convert.ToHexString(new UpdateRing(Codec(Layout), new RingOptions { Clip = 1, Scale = 100, Bits = 24, Noise = noise }, 10, false).Encoding.Digest());
        string[] digests = [Digest(null), Digest(new(4, 5)), Digest(new(4, 6)), Digest(new(5, 5)), Digest(new(4, 0)), Digest(new(4, 5) { CountNoise = 2 })];
        Assert.Equal(digests.Length, digests.Distinct().Count());
    }

    private static UpdateRing Ring(RingNoiseOptions noise, int clients = 10, double? scale = null) => new(Codec(Layout), new RingOptions { Clip = 1, Scale = scale, Noise = noise }, clients, false);

    private static UpdateCodec Codec(UpdateLayout layout) => new(layout, [], new RandomKeys([], 1));

    private static EncodedInMemory Encode(float[] vector)
    {
        byte[] bytes = new byte[sizeof(double) + vector.Length * sizeof(float)];
        BinaryPrimitives.WriteDoubleLittleEndian(bytes, 1);
        MemoryMarshal.AsBytes(vector.AsSpan()).CopyTo(bytes.AsSpan(sizeof(double)));
        return new EncodedInMemory(bytes);
    }

    private static double[] Words(RingSum sum, int bits)
    {
        double[] values = new double[Length];
        ReadOnlySpan<uint> words = sum.Words(0, Length);
        for (int i = 0; i < Length; i++) values[i] = (int)words[i] << (32 - bits) >> (32 - bits);
        return values;
    }

    // The mean of n squares has a standard error of sqrt(2/n).
    private static void AssertDeviation(double expected, double[] values) =>
        Assert.Equal(1, values.Sum(value => value / expected * value / expected) / values.Length, 4 * Math.Sqrt(2.0 / values.Length));
}
