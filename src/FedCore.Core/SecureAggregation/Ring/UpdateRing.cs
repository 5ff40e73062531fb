using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using FedCore.Compression;
using FedCore.Numerics;
using FedCore.Privacy.Sampling;
using FedCore.SecureAggregation.Masks;
using FedCore.SecureAggregation.Sessions;
using FedCore.Updates;

namespace FedCore.SecureAggregation.Ring;

/// <summary>A run's updates on their way through the ring: from the bytes in which a client keeps its update to those in which it is summed, and from the sum back to sections.</summary>
public sealed class UpdateRing
{
    // Sums over examples and numbers of strategies; what is larger is refused at the client.
    private const double LargestNumber = 1L << 31;

    // Chunks of words, and blocks of them, are whole blocks of the masks, and whole bytes when they are packed.
    private const int ChunkLength = MaskSet.ChunkLength;

    private readonly UpdateCodec _codec;

    /// <summary>The ring of a run's updates for a number of clients.</summary>
    /// <param name="codec">How the updates are written down otherwise: number by number.</param>
    /// <param name="options">Clip, bits and scale.</param>
    /// <param name="clients">How many are summed at most.</param>
    /// <param name="hasOwnWeights">Whether the strategy weighs updates in a way of its own, so that a weight may be above 1, and what is clipped is the weighted vector.</param>
    /// <exception cref="FedCoreException">The ring is too small for so many (<c>secagg.ring</c>).</exception>
    internal UpdateRing(UpdateCodec codec, RingOptions options, int clients, bool hasOwnWeights)
    {
        _codec = codec;
        Encoding = RingEncoding.Create(codec.Layout.Sections.Select(section => new RingSection(
            section.Name, codec.CountOf(section), section.IsVector, BoundOf(section, options, hasOwnWeights), section is { IsVector: true, Weighting: Weighting.Scalar } && !hasOwnWeights)
        { IsCount = section.Name == Section.Unclipped }), clients, options);
    }

    /// <summary>How numbers are written.</summary>
    public RingEncoding Encoding { get; }

    /// <summary>Sees whether an update can be written into the ring, before any key is made for it.</summary>
    /// <param name="update">The update as the codec wrote it.</param>
    /// <exception cref="UpdateRefusedException">A number is not finite or out of bounds (<c>secagg.input</c>), or the update is of another length.</exception>
    public void Check(IEncodedUpdate update)
    {
        ArgumentNullException.ThrowIfNull(update);
        EncodeScalars(ReadScalars(update));
        ClipFactors(update, Encoding.ScalarCount * sizeof(double), 1);
    }

    /// <summary>Writes an update into the ring.</summary>
    /// <param name="update">The update as the codec wrote it; it is read several times.</param>
    /// <param name="random">Random numbers for the rounding.</param>
    /// <param name="noise">Random bytes for the client's share of noise; null only where it has none to add.</param>
    /// <param name="mask">What hides it; null to leave it as it is.</param>
    /// <param name="target">Receives <see cref="RingEncoding.ByteLength"/> bytes.</param>
    /// <exception cref="UpdateRefusedException">A number is not finite or out of bounds (<c>secagg.input</c>), or the update is of another length.</exception>
    public void Write(IEncodedUpdate update, RandomStream random, RandomBytes? noise, InputMask? mask, IBufferWriter<byte> target)
    {
        ArgumentNullException.ThrowIfNull(update);
        ArgumentNullException.ThrowIfNull(target);
        DiscreteGaussianSampler? sampler = Encoding.Noise is { IsShared: true, Variance: var variance } ? new DiscreteGaussianSampler(variance, 1, noise ?? throw new ArgumentNullException(nameof(noise))) : null;
        double[] scalars = ReadScalars(update);
        ulong[] numbers = EncodeScalars(scalars);
        if (sampler is not null) Encoding.AddCountNoise(numbers, noise!);
        double weight = _codec.Layout.Has(Section.Weight) ? scalars[(int)_codec.Layout.Find(Section.Weight).Offset] : 1;
        double[] factors = ClipFactors(update, Encoding.ScalarCount * sizeof(double), weight);
        RingEncoder encoder = Encoding.Noise is { } limit ? ShortEnough(update, factors, random, limit.MostSquaredNorm) : new RingEncoder(random);

        // Nothing is written of what is refused.
        WriteScalars(numbers, mask, target);
        Encode(update, factors, encoder, (first, words) =>
        {
            sampler?.AddTo(words);
            mask?.Apply(first, words);
            int bytes = (int)BitPacking.ByteLength(words.Length, Encoding.Bits);
            BitPacking.Pack(words, Encoding.Bits, target.GetSpan(bytes)[..bytes]);
            target.Advance(bytes);
        });
    }

    // Rounding is tried again until the vector is no longer than the noise is for; that depends on the vector, but what is sent then does not show how often. What floats cannot hold makes a long
    // vector longer in every try, so that each is a little shorter than the last.
    private RingEncoder ShortEnough(IEncodedUpdate update, double[] factors, RandomStream random, ulong mostSquaredNorm)
    {
        for (double shrink = 1e-7; ; shrink *= 2)
        {
            var encoder = new RingEncoder(random);
            UInt128 squaredNorm = 0;
            Encode(update, factors, encoder.Clone(), (_, words) =>
            {
                foreach (uint word in words) squaredNorm += (ulong)((long)(int)word * (int)word);
            });
            if (squaredNorm <= mostSquaredNorm) return encoder;
            for (int i = 0; i < factors.Length; i++) factors[i] *= 1 - shrink;
        }
    }

    private delegate void WordsAction(long first, Span<uint> words);

    // Rounds all vectors, chunk by chunk.
    private void Encode(IEncodedUpdate update, double[] factors, RingEncoder encoder, WordsAction use)
    {
        int scalarBytes = Encoding.ScalarCount * sizeof(double);
        uint[] words = ArrayPool<uint>.Shared.Rent(ChunkLength);
        try
        {
            (int section, long left) = (-1, 0);
            for (long first = 0; first < Encoding.VectorLength; first += ChunkLength)
            {
                int count = (int)Math.Min(ChunkLength, Encoding.VectorLength - first);
                for (int done = 0; done < count;)
                {
                    while (left == 0) left = Encoding.Sections[++section] is { IsVector: true } next ? next.Length : 0;
                    int some = (int)Math.Min(left, count - done);
                    encoder.Encode(Encoding.Sections[section], factors[section], Floats(update, scalarBytes, first + done, some), words.AsSpan(done, some));
                    done += some;
                    left -= some;
                }

                use(first, words.AsSpan(0, count));
            }
        }
        finally
        {
            words.AsSpan(0, ChunkLength).Clear();
            ArrayPool<uint>.Shared.Return(words);
        }
    }

    /// <summary>Adds an update, masked or not, to a sum.</summary>
    /// <param name="update">The update as <see cref="Write"/> wrote it.</param>
    /// <param name="sum">The sum.</param>
    /// <exception cref="UpdateRefusedException">It is of another length (<c>update.encoding</c>).</exception>
    public static void Add(IEncodedUpdate update, RingSum sum)
    {
        ArgumentNullException.ThrowIfNull(update);
        ArgumentNullException.ThrowIfNull(sum);
        RingEncoding encoding = sum.Encoding;
        if (update.Length != encoding.ByteLength) throw new UpdateRefusedException("update.encoding", $"The update has {update.Length} bytes, but {encoding.ByteLength} are summed.");
        int scalarBytes = encoding.ScalarCount * sizeof(ulong);
        sum.AddScalars(update.Read(0, scalarBytes));
        for (long first = 0; first < encoding.VectorLength; first += ChunkLength)
        {
            int count = (int)Math.Min(ChunkLength, encoding.VectorLength - first);
            sum.AddWords(first, update.Read(scalarBytes + first / 8 * encoding.Bits, (int)BitPacking.ByteLength(count, encoding.Bits)), count);
        }
    }

    /// <summary>The sum of updates as the strategy works on it.</summary>
    /// <param name="sum">The sum, without masks; it is used up.</param>
    /// <param name="round">The round, which decides where numbers are that were sent for all.</param>
    /// <param name="contributors">How many clients are in it.</param>
    /// <param name="pool">Where the vector is rented that the caller returns.</param>
    /// <returns>The sum.</returns>
    public UpdateSum Read(RingSum sum, int round, int contributors, FlatVectorPool pool)
    {
        ArgumentNullException.ThrowIfNull(sum);
        ArgumentNullException.ThrowIfNull(pool);
        sum.DecodeWords();
        UpdateLayout layout = _codec.Layout;
        FlatVector vector = pool.Rent(layout.VectorLength);
        (long from, long to) = (0, 0);
        foreach (Section section in layout.Sections.Where(section => section.IsVector))
        {
            if (_codec.SparsifierOf(section) is null)
            {
                foreach ((long offset, int count) in VectorBlocks.Of(section.Length)) MemoryMarshal.Cast<uint, float>(sum.Words(from + offset, count)).CopyTo(vector.Slice(to + offset, count));
                from += section.Length;
            }
            else
            {
                foreach ((long offset, int count) in VectorBlocks.Of(section.Length)) vector.Slice(to + offset, count).Clear();
                foreach (long place in _codec.SharedPlaces(section, round)) vector.Slice(to + place, 1)[0] = BitConverter.UInt32BitsToSingle(sum.Words(from++, 1)[0]);
            }

            to += section.Length;
        }

        return new UpdateSum(layout, vector, sum.DecodeScalars(), contributors);
    }

    private double[] ReadScalars(IEncodedUpdate update)
    {
        long length = Encoding.ScalarCount * sizeof(double) + Encoding.VectorLength * sizeof(float);
        if (update.Length != length) throw new UpdateRefusedException(SecureAggregationCodes.Input, $"The update has {update.Length} bytes, but {length} are summed.");
        double[] scalars = new double[Encoding.ScalarCount];
        for (int i = 0; i < scalars.Length; i++) scalars[i] = BinaryPrimitives.ReadDoubleLittleEndian(update.Read(i * sizeof(double), sizeof(double)));
        return scalars;
    }

    private ulong[] EncodeScalars(double[] scalars)
    {
        ulong[] words = new ulong[scalars.Length];
        RingEncoder.EncodeScalars(Encoding, scalars, words);
        return words;
    }

    private static void WriteScalars(ulong[] words, InputMask? mask, IBufferWriter<byte> target)
    {
        mask?.ApplyToScalars(words);
        Span<byte> bytes = target.GetSpan(words.Length * sizeof(ulong));
        for (int i = 0; i < words.Length; i++) BinaryPrimitives.WriteUInt64LittleEndian(bytes[(i * sizeof(ulong))..], words[i]);
        target.Advance(words.Length * sizeof(ulong));
    }

    private double[] ClipFactors(IEncodedUpdate update, int scalarBytes, double weight)
    {
        double[] factors = new double[Encoding.Sections.Count];
        Span<double> lanes = stackalloc double[16];
        long start = 0;
        for (int i = 0; i < factors.Length; i++)
        {
            RingSection section = Encoding.Sections[i];
            if (!section.IsVector) continue;
            lanes.Clear();
            foreach ((long offset, int count) in VectorBlocks.Of(section.Length)) VectorBlocks.AddSquares(Floats(update, scalarBytes, start + offset, count), lanes);
            factors[i] = RingEncoder.ClipFactor(section, VectorBlocks.Sum(lanes), weight);
            start += section.Length;
        }

        return factors;
    }

    private static ReadOnlySpan<float> Floats(IEncodedUpdate update, int scalarBytes, long first, int count) =>
        MemoryMarshal.Cast<byte, float>(update.Read(scalarBytes + first * sizeof(float), count * sizeof(float)));

    private static double BoundOf(Section section, RingOptions options, bool hasOwnWeights) => section.Role switch
    {
        _ when section.IsVector => options.Clip,
        SectionRole.Weight when !hasOwnWeights => 1,
        SectionRole.Indicator => section.Name == Section.Unclipped ? 0.5 : 1,
        _ => LargestNumber,
    };
}
