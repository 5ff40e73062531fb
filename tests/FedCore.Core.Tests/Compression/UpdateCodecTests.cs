using System.Buffers;
using FedCore.Compression;
using FedCore.Compression.Formats;
using FedCore.Compression.Sparsifiers;
using FedCore.Numerics;
using FedCore.Strategies;
using FedCore.Updates;

namespace FedCore.Core.Tests.Compression;

public class UpdateCodecTests
{
    private const int Length = 10_000, ControlLength = 5000;

    private static readonly UpdateLayout Layout = new(
        new Section(Section.Model, SectionRole.Model, Length, Weighting.Scalar), new Section("control", SectionRole.Control, ControlLength, Weighting.Scalar),
        new Section(Section.Weight, SectionRole.Weight, 1), new Section("loss", SectionRole.Metric, 1));

    private static readonly IUpdateTransform[][] All =
    [
        [new Float16()], [new BFloat16()], [new Int8()], [new Int4()], [new TopK { Share = 0.02 }], [new TopK { Share = 1 }], [new RandomK { Share = 0.1 }],
        [new TopK { Share = 0.3 }, new Int8()], [new RandomK { Share = 0.5 }, new Int4()],
    ];

    public static TheoryData<IUpdateTransform[]> Pipelines => Rows(All);

    public static TheoryData<IUpdateTransform[]> PipelinesAndNone => Rows([.. All, []]);

    [Theory]
    [MemberData(nameof(Pipelines))]
    public void An_update_comes_back_with_its_scalars_exact_and_what_was_sent_in_its_place(IUpdateTransform[] transforms)
    {
        using var client = new Client(transforms);
        float[] values = Values(1);
        byte[] bytes = client.Encode(values, round: 3);
        float[] decoded = client.Decode(bytes, round: 3);
        Assert.Equal([2, -0.125], client.Scalars(bytes));
        int sent = decoded.Count(value => value != 0);
        double worst = 0, largest = values.Max(Math.Abs);
        for (int i = 0; i < decoded.Length; i++)
            if (decoded[i] != 0 || transforms[0] is IValueFormat) worst = Math.Max(worst, Math.Abs(decoded[i] - values[i]));
        Assert.Equal(values[Length..], decoded[Length..]);

        // The coarsest format has steps of a seventh of the largest value.
        Assert.InRange(worst, 0, transforms.Any(transform => transform is IValueFormat) ? largest / 7 : 0);
        if (transforms[0] is not ISparsifier sparsifier) return;
        long most = sparsifier.CountOf(Length) + ControlLength;

        // A format rounds some of them to zero.
        Assert.InRange(sent, transforms.Length == 1 ? most : 1, most);
    }

    // Places that clients choose take a number of bytes that depends on them; here they are random, as the estimate takes them to be.
    [Theory]
    [MemberData(nameof(Pipelines))]
    public void The_codec_knows_how_many_bytes_an_update_takes(IUpdateTransform[] transforms)
    {
        using var client = new Client(transforms);
        int bytes = client.Encode(Values(2), round: 1).Length;
        Assert.Equal(client.Codec.ByteLength, bytes, transforms[0] is TopK ? 0.03 * bytes : 0);
    }

    [Fact]
    public void Shared_places_are_those_of_the_round_for_every_client_and_what_is_sent_is_exact()
    {
        using Client one = new([new RandomK { Share = 0.1 }]), other = new([new RandomK { Share = 0.1 }]);
        float[] first = one.Decode(one.Encode(Values(1), 7), 7), second = other.Decode(other.Encode(Values(2), 7), 7), later = one.Decode(one.Encode(Values(1), 8), 8);
        Assert.Equal(PlacesOf(first), PlacesOf(second));
        Assert.NotEqual(PlacesOf(first), PlacesOf(later));
        Assert.Equal(1000 + ControlLength, PlacesOf(first).Length);
        Assert.All(PlacesOf(first), place => Assert.Equal(Values(1)[place], first[place]));
    }

    // With k of n places in random rounds the mean of what arrives, divided by the share, is the update.
    [Fact]
    public void Unbiased_random_places_are_multiplied_by_one_over_the_share()
    {
        using var client = new Client([new RandomK { Share = 0.25, Unbiased = true }]);
        float[] values = Values(1), decoded = client.Decode(client.Encode(values, 1), 1);
        Assert.All(PlacesOf(decoded), place => Assert.Equal((place < Length ? 4 : 1) * values[place], decoded[place]));
    }

    // Whole numbers add up without rounding: what arrived and what is left at the client are together what the client wanted to send.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void With_error_feedback_nothing_is_lost_only_late(bool quantises)
    {
        using var client = new Client(quantises ? [new TopK { Share = 0.05 }, new Int4()] : [new TopK { Share = 0.05 }]);
        double[] wanted = new double[Length + ControlLength], arrived = new double[wanted.Length];
        for (int round = 1; round <= 60; round++)
        {
            float[] values = [.. Values(round).Select(value => MathF.Round(100 * value))];
            float[] decoded = client.Decode(client.Encode(values, round), round);
            for (int i = 0; i < values.Length; i++)
            {
                wanted[i] += values[i];
                arrived[i] += decoded[i];
            }
        }

        float[] left = client.State.Vector("unsent-model", Length).AsSpan().ToArray();
        for (int i = 0; i < Length; i++) Assert.Equal(wanted[i], arrived[i] + left[i], quantises ? 0.01 : 0);
        Assert.True(arrived.Take(Length).Count(value => value != 0) > 0.5 * Length);
    }

    [Theory]
    [MemberData(nameof(Pipelines))]
    public void Bytes_that_are_cut_or_go_on_are_refused(IUpdateTransform[] transforms)
    {
        using var client = new Client(transforms);
        byte[] bytes = client.Encode(Values(1), 1);
        client.Codec.Check(bytes, 1);
        foreach (int length in (int[])[0, 7, 15, 16, 17, bytes.Length / 2, bytes.Length - 1]) AssertRefused(client, bytes[..length]);
        AssertRefused(client, [.. bytes, 0]);
    }

    // Whatever passes the check can be summed.
    [Theory]
    [MemberData(nameof(Pipelines))]
    public void Bytes_of_an_attacker_are_refused_or_are_an_update_of_finite_numbers(IUpdateTransform[] transforms)
    {
        using var client = new Client(transforms);
        byte[] good = client.Encode(Values(1), 1);
        RandomStream random = Statistics.Stream("attack");
        int refused = 0;
        for (int trial = 0; trial < 300; trial++)
        {
            byte[] bytes = [.. good];
            int begin = random.NextInt32(bytes.Length), end = Math.Min(bytes.Length, begin + 1 + random.NextInt32(trial % 2 == 0 ? 8 : 2000));
            for (int i = begin; i < end; i++) bytes[i] = trial % 3 == 0 ? (byte)255 : (byte)random.NextInt32(256);
            try
            {
                client.Codec.Check(bytes, 1);
                Assert.All(client.Decode(bytes, 1), value => Assert.True(float.IsFinite(value)));
            }
            catch (UpdateRefusedException fault)
            {
                Assert.Contains(fault.Code, (string[])["update.encoding", "update.not-finite", "update.weight"]);
                refused++;
            }
        }

        Assert.True(refused > 0);
    }

    [Theory]
    [MemberData(nameof(PipelinesAndNone))]
    public void What_comes_in_pieces_is_judged_as_what_is_there_at_once_and_nothing_is_read_before_it_is_there(IUpdateTransform[] transforms)
    {
        using var client = new Client(transforms);
        byte[] good = client.Encode(Values(1), 1);
        RandomStream random = Statistics.Stream("arrival");
        for (int trial = 0; trial < 100; trial++)
        {
            byte[] bytes = [.. good];
            int begin = random.NextInt32(bytes.Length), end = Math.Min(bytes.Length, begin + random.NextInt32(trial % 2 == 0 ? 8 : 2000));
            bytes.AsSpan(begin..end).Fill(255);
            if (trial % 10 == 1) bytes = bytes[..random.NextInt32(bytes.Length)];
            var arriving = new ArrivingUpdate(bytes);
            using UpdateCheck check = client.Codec.BeginCheck(arriving, 1);
            Assert.Equal(CodeOf(() => client.Codec.Check(bytes, 1)), CodeOf(() =>
            {
                do check.Advance(arriving.Arrive(random.NextInt32(trial % 3 == 0 ? 100_000 : 3000)));
                while (arriving.Available < bytes.Length);
            }));
        }
    }

    [Theory]
    [InlineData(16, 16)]
    [InlineData(16 + 4 * (Length - 1), 16 + 4 * Length)]
    public void A_number_that_is_not_finite_is_refused_when_its_block_is_there(int place, int there)
    {
        using var client = new Client([]);
        byte[] bytes = client.Encode(Values(1), 1);
        bytes.AsSpan(place, 4).Fill(255);
        var arriving = new ArrivingUpdate(bytes);
        using UpdateCheck check = client.Codec.BeginCheck(arriving, 1);
        int end = Math.Max(there, 16 + 4 * VectorBlocks.BlockLength);
        check.Advance(arriving.Arrive(end - 1));
        Assert.Equal(UpdateRefusedException.NotFinite, CodeOf(() => check.Advance(arriving.Arrive(1))));
    }

    // The client of these tests weighs 2.
    [Theory]
    [InlineData(false, 0, null)]
    [InlineData(false, 1, UpdateRefusedException.Weight)]
    [InlineData(true, 0, UpdateRefusedException.Weight)]
    public void A_weight_that_the_client_cannot_have_is_refused(bool uniform, long limit, string? code)
    {
        using var client = new Client([]);
        byte[] bytes = client.Encode(Values(1), 1);
        using UpdateCheck check = client.Codec.BeginCheck(new EncodedInMemory(bytes), 1, new ClientWeighting(uniform, limit));
        Assert.Equal(code, CodeOf(() => check.Advance(bytes.Length)));
    }

    [Theory]
    [InlineData(0, null)]
    [InlineData(0.001, null)]
    [InlineData(-1, UpdateRefusedException.Weight)]
    public void A_weight_below_0_is_refused_whatever_weights_follow_from(double weight, string? code)
    {
        using var client = new Client([]);
        byte[] bytes = client.Encode(Values(1), 1);
        System.Buffers.Binary.BinaryPrimitives.WriteDoubleLittleEndian(bytes, weight);
        Assert.Equal(code, CodeOf(() => client.Codec.Check(bytes, 1)));
    }

    [Fact]
    public void Bytes_that_cannot_be_opened_are_disposed_of()
    {
        using var client = new Client([]);
        var bytes = new ArrivingUpdate(new byte[3]);
        Assert.Throws<UpdateRefusedException>(() => client.Codec.Open(bytes, 1));
        Assert.True(bytes.IsDisposed);
    }

    [Fact]
    public void A_place_that_is_claimed_behind_the_vector_is_refused()
    {
        using var client = new Client([new TopK { Share = 1.0 / Length }]);
        byte[] bytes = client.Encode(Values(1), 1);
        bytes.AsSpan(16, 10).Fill(255);
        AssertRefused(client, bytes);
        bytes.AsSpan(16, 8).Fill(128);
        bytes[24] = 127;
        AssertRefused(client, bytes);
    }

    [Fact]
    public void Without_transforms_every_number_arrives_as_it_was()
    {
        using var client = new Client([]);
        float[] values = Values(3);
        byte[] bytes = client.Encode(values, 1);
        Assert.Equal(client.Codec.ByteLength, bytes.Length);
        Assert.Equal(Layout.ByteLength, bytes.Length);
        Assert.Equal(values, client.Decode(bytes, 1));
    }

    [Fact]
    public void No_update_is_longer_than_the_longest()
    {
        foreach (double share in (double[])[1.0 / Length, 0.01, 0.3, 1])
        {
            using var client = new Client([new TopK { Share = share }, new Int8()]);
            for (int seed = 1; seed < 20; seed++) Assert.True(client.Encode(Values(seed), 1).Length <= client.Codec.MaxByteLength);
        }
    }

    private static void AssertRefused(Client client, byte[] bytes) =>
        Assert.Equal("update.encoding", Assert.Throws<UpdateRefusedException>(() => client.Codec.Check(bytes, 1)).Code);

    private static TheoryData<IUpdateTransform[]> Rows(IUpdateTransform[][] pipelines)
    {
        var rows = new TheoryData<IUpdateTransform[]>();
        foreach (IUpdateTransform[] transforms in pipelines) rows.Add(transforms);
        return rows;
    }

    private static string? CodeOf(Action act) => Record.Exception(act) switch
    {
        null => null,
        UpdateRefusedException refused => refused.Code,
        { } defect => defect.ToString(),
    };

    private static int[] PlacesOf(float[] values) => [.. Enumerable.Range(0, values.Length).Where(i => values[i] != 0)];

    private static float[] Values(int seed)
    {
        RandomStream random = Statistics.Stream("update", seed);
        return [.. Enumerable.Range(0, Length + ControlLength).Select(_ => (float)random.NextNormal())];
    }

    private sealed class Client : IDisposable
    {
        private readonly UpdateEncoder _encoder;
        private readonly FlatVector _buffer = new(Layout.VectorLength), _zeros = new(Length), _local = new(Length);

        public Client(IUpdateTransform[] transforms)
        {
            Codec = new UpdateCodec(Layout, transforms, new RandomKeys("tests"u8, 1));
            _encoder = Codec.CreateEncoder();
        }

        public UpdateCodec Codec { get; }

        public InMemoryClientState State { get; } = new();

        // The model section as a change of a model, as clients write it; half of it times a weight of 2 is it without rounding.
        public byte[] Encode(float[] values, int round)
        {
            var update = new Update(Layout, _buffer);
            update.Reset();
            update.Weight = 2;
            update.Scalar("loss") = -0.125;
            for (int i = 0; i < Length; i++) _local.AsSpan()[i] = values[i] / 2;
            update.WriteModelChange(_zeros, _local);
            for (int i = 0; i < ControlLength; i++) update.Vector("control", i, 1)[0] = values[Length + i] / 2;
            update.Complete();
            var target = new ArrayBufferWriter<byte>();
            _encoder.Encode(update, State, round, Statistics.Stream("rounding", round), target);
            return target.WrittenSpan.ToArray();
        }

        public float[] Decode(byte[] bytes, int round)
        {
            using IUpdateReader reader = Codec.Open(bytes, round);
            float[] values = new float[Layout.VectorLength];
            for (int offset = 0; offset < values.Length;)
            {
                ReadOnlySpan<float> block = reader.Read(offset);
                block.CopyTo(values.AsSpan(offset));
                offset += block.Length;
            }

            return values;
        }

        public double[] Scalars(byte[] bytes)
        {
            using IUpdateReader reader = Codec.Open(bytes, 1);
            return reader.Scalars.ToArray();
        }

        public void Dispose()
        {
            _encoder.Dispose();
            State.Dispose();
            foreach (FlatVector vector in (FlatVector[])[_buffer, _zeros, _local]) vector.Dispose();
        }
    }

    // Of these bytes nobody reads what is not there yet.
    private sealed class ArrivingUpdate(byte[] bytes) : IEncodedUpdate
    {
        public int Available { get; private set; }

        public bool IsDisposed { get; private set; }

        public long Length => bytes.Length;

        public int Arrive(int count) => Available = Math.Min(bytes.Length, Available + count);

        public ReadOnlySpan<byte> Read(long offset, int count)
        {
            Assert.InRange(offset + count, 0, Available);
            return bytes.AsSpan((int)offset, count);
        }

        public void Dispose() => IsDisposed = true;
    }
}
