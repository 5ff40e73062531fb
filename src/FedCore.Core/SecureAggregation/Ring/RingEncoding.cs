using System.Security.Cryptography;
using FedCore.Privacy.Sampling;
using FedCore.SecureAggregation.Messages;

namespace FedCore.SecureAggregation.Ring;

/// <summary>
/// How updates are written into the ring of integers modulo 2^b, in which their sum is exact as long as it does not wrap: a number is clipped, scaled, and rounded to one of its
/// whole neighbours at random, the nearer the likelier, so that the sum has no bias. The few numbers beside the vector (weights, counts, sums of losses) are summed modulo 2^64
/// and rounded to the nearest.
/// </summary>
public sealed class RingEncoding
{
    /// <summary>The most bits of a number of the vector.</summary>
    public const int MostBits = 32;

    private const int ScalarBits = 63;

    private RingEncoding(IReadOnlyList<RingSection> sections, int clients, int bits, RingNoise? noise)
    {
        (Sections, Clients, Bits, Noise) = (sections, clients, bits, noise);
        VectorLength = sections.Where(section => section.IsVector).Sum(section => section.Length);
        ScalarCount = checked((int)sections.Where(section => !section.IsVector).Sum(section => section.Length));
    }

    /// <summary>The sections, in order, with their scales.</summary>
    public IReadOnlyList<RingSection> Sections { get; }

    /// <summary>Of how many clients at most a sum does not wrap.</summary>
    public int Clients { get; }

    /// <summary>Bits of each number of the vector.</summary>
    public int Bits { get; }

    /// <summary>The noise in the sum; null for none.</summary>
    public RingNoise? Noise { get; }

    /// <summary>Numbers in the vector.</summary>
    public long VectorLength { get; }

    /// <summary>Numbers beside it.</summary>
    public int ScalarCount { get; }

    /// <summary>Bytes of an update on the wire.</summary>
    public long ByteLength => ScalarCount * (long)sizeof(ulong) + BitPacking.ByteLength(VectorLength, Bits);

    /// <summary>
    /// The fewest bits with which a sum does not wrap: 1 + ceil(log2(n (ceil(C s) + 1) + z sigma s)), z = sqrt(2 ln(2 d 2^40)), so that noise does not make it wrap either but for a
    /// chance of 2^-40.
    /// </summary>
    /// <param name="clients">Clients that are summed, n.</param>
    /// <param name="clip">The largest magnitude of a number, C.</param>
    /// <param name="scale">Steps per unit, s.</param>
    /// <param name="noise">The standard deviation of noise in the sum, sigma; 0 for none.</param>
    /// <param name="length">Numbers in the vector, d.</param>
    /// <returns>The bits.</returns>
    public static int LeastBits(int clients, double clip, double scale, double noise = 0, long length = 1)
    {
        double z = Math.Sqrt(2 * Math.Log(2 * length * Math.Pow(2, 40)));
        return 1 + (int)Math.Ceiling(Math.Log2(clients * (Math.Ceiling(clip * scale) + 1) + (noise > 0 ? z * noise * scale : 0)));
    }

    /// <summary>Settles an encoding.</summary>
    /// <param name="sections">The sections; their scales are found here.</param>
    /// <param name="clients">How many clients are summed at most, at least 1.</param>
    /// <param name="options">Bits, clip and scale.</param>
    /// <returns>The encoding.</returns>
    /// <exception cref="FedCoreException">The ring is too small (<c>secagg.ring</c>), or a bound is not above 0 (<c>secagg.clip</c>).</exception>
    public static RingEncoding Create(IEnumerable<RingSection> sections, int clients, RingOptions options)
    {
        ArgumentNullException.ThrowIfNull(sections);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(clients, 1);
        RingSection[] all = [.. sections];
        foreach (RingSection section in all)
        {
            if (!(section.Bound > 0 && double.IsFinite(section.Bound)))
                throw FedCoreException.Configuration("secagg.clip", FormattableString.Invariant($"Section '{section.Name}' is clipped to {section.Bound}. Set a finite clip above 0, such as 10."));
        }

        RingSection? noisy = options.Noise is null ? null : all.Single(section => section.IsVector);
        bool isSettled = options is { Noise.Sharers: > 0, Bits: null } or { Noise.MostAtOnce: > 1 };
        double? wanted = options.Scale ?? (isSettled && options.Noise is not null ? RingNoise.SmallestScale(options.Noise, noisy!) : null);
        int needed = wanted is { } scale
            ? all.Where(section => section.IsVector).Select(section => BitsFor(section, clients, scale, options.Noise)).Append(2).Max()
            : LeastBits(clients, 1, 1);
        int bits = options.Bits ?? (wanted is null ? MostBits : Math.Min(needed, MostBits));
        if (bits < needed)
        {
            throw FedCoreException.Configuration(SecureAggregationCodes.Ring, FormattableString.Invariant(
                $"A ring of {bits} bits is too small for the sum of {clients} clients: the smallest that fits has {needed}. ")
                + (needed <= MostBits ? $"Set bits to {needed} or more" : $"That is more than {MostBits}: lower the scale or the clip")
                + ", or ask fewer clients.");
        }

        RingSection[] settled = [.. all.Select(section => section with { Scale = ScaleOf(section, clients, bits, wanted, options.Noise) })];
        RingNoise? noise = noisy is null ? null : RingNoise.Settle(options.Noise!, noisy, settled.Single(section => section.IsVector).Scale);
        noise?.Check(clients);
        return new RingEncoding(settled, clients, bits, noise);
    }

    /// <summary>Adds noise to the count of clients whose update was within the clip, where there is one.</summary>
    /// <param name="numbers">The numbers beside the vector.</param>
    /// <param name="random">Random bytes.</param>
    internal void AddCountNoise(Span<ulong> numbers, RandomBytes random)
    {
        if (Noise is not { CountVariance: > 0 and var variance }) return;
        var sampler = new DiscreteGaussianSampler(variance, 1, random);
        int next = 0;
        foreach (RingSection section in Sections.Where(section => !section.IsVector))
            for (int i = 0; i < section.Length; i++, next++)
                if (section.IsCount) numbers[next] += (ulong)sampler.Next();
    }

    /// <summary>Packs words of a vector, the lowest bits of each, as they are sent.</summary>
    /// <param name="words">The words; all but the last piece of a vector have a multiple of 8.</param>
    /// <param name="target">Receives <see cref="Bits"/> bytes for each 8 words.</param>
    public void Pack(ReadOnlySpan<uint> words, Span<byte> target) => BitPacking.Pack(words, Bits, target);

    /// <summary>SHA-256 of everything that decides how a vector is written.</summary>
    /// <returns>32 bytes.</returns>
    public byte[] Digest()
    {
        MessageWriter writer = new MessageWriter().Number(Clients).Number(Bits).Number(Sections.Count);
        foreach (RingSection section in Sections)
            writer.Text(section.Name).Number((double)section.Length).Number((section.IsVector ? 1 : 0) + (section.IsWeighted ? 2 : 0)).Number(section.Bound).Number(section.Scale);
        Noise?.AddTo(writer);
        return SHA256.HashData(writer.Written);
    }

    private static int BitsFor(RingSection section, int clients, double scale, RingNoiseOptions? noise) => noise is null
        ? LeastBits(clients, section.Bound, scale)
        : RingNoise.LeastBits(noise, section, scale, clients);

    // As many steps as n clients may each use without a wrap. Numbers beside the vector have steps of a power of two, in which counts are exact.
    private static double ScaleOf(RingSection section, int clients, int bits, double? wanted, RingNoiseOptions? noise)
    {
        if (section.IsCount) return RingNoise.CountScale;
        if (!section.IsVector) return Math.ScaleB(1, (int)Math.Floor(Math.Log2((Math.ScaleB(1, ScalarBits - 1) / clients - 1) / section.Bound)));
        if (wanted is { } scale) return scale;
        double steps = Math.Floor(Math.ScaleB(1, bits - 1) / clients) - 1;
        double found = steps / section.Bound;
        while (Math.Ceiling(found * section.Bound) > steps) found = Math.BitDecrement(found);
        if (noise is null || BitsFor(section, clients, found, noise) <= bits) return found;

        // With noise, whose width follows from the scale, by bisection; a power of two, so that numbers are rounded to the same steps whatever the noise is.
        double exponent = Math.Floor(Math.Log2(found));
        while (BitsFor(section, clients, Math.ScaleB(1, (int)exponent), noise) > bits) exponent--;
        return Math.ScaleB(1, (int)exponent);
    }
}
