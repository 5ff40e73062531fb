using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.SecureAggregation.Ring;

/// <summary>Writes one update into the ring. For one thread.</summary>
/// <param name="random">Random numbers for the rounding; they need not be secret, since no proof rests on them.</param>
public sealed class RingEncoder(RandomStream random)
{
    private LaneRandom _random = new(random);

    /// <summary>Another encoder that rounds as this one will.</summary>
    /// <returns>The encoder.</returns>
    public RingEncoder Clone() => (RingEncoder)MemberwiseClone();

    /// <summary>Writes the numbers beside the vector.</summary>
    /// <param name="encoding">How.</param>
    /// <param name="values">All of them.</param>
    /// <param name="words">Receives as many.</param>
    /// <exception cref="UpdateRefusedException">One is not finite or larger than its bound (<c>secagg.input</c>).</exception>
    public static void EncodeScalars(RingEncoding encoding, ReadOnlySpan<double> values, Span<ulong> words)
    {
        ArgumentNullException.ThrowIfNull(encoding);
        if (values.Length != encoding.ScalarCount) throw Refused($"the update has {values.Length} numbers beside its vector, but its layout {encoding.ScalarCount}");
        int next = 0;
        foreach (RingSection section in encoding.Sections)
        {
            if (section.IsVector) continue;
            for (int i = 0; i < section.Length; i++, next++)
            {
                if (!(Math.Abs(values[next]) <= section.Bound))
                    throw Refused(FormattableString.Invariant($"'{section.Name}' is {values[next]}, but it is at most {section.Bound} in a sum"));
                words[next] = (ulong)(long)Math.Round(values[next] * section.Scale);
            }
        }
    }

    /// <summary>What a section is multiplied with, so that its norm is at most its bound.</summary>
    /// <param name="section">The section.</param>
    /// <param name="squaredNorm">The square of its Euclidean norm.</param>
    /// <param name="weight">The client's weight, which bounds a weighted section.</param>
    /// <returns>The factor, from 0 to 1.</returns>
    /// <exception cref="UpdateRefusedException">The norm is not finite (<c>secagg.input</c>).</exception>
    public static double ClipFactor(RingSection section, double squaredNorm, double weight)
    {
        ArgumentNullException.ThrowIfNull(section);
        if (!double.IsFinite(squaredNorm)) throw Refused($"section '{section.Name}' has a number that is not finite, or too large");
        double most = section.Bound * (section.IsWeighted ? weight : 1), norm = Math.Sqrt(squaredNorm);
        return norm <= most ? 1 : most / norm;
    }

    /// <summary>Writes a piece of a vector section.</summary>
    /// <param name="section">The section.</param>
    /// <param name="factor">What it is multiplied with.</param>
    /// <param name="values">Finite numbers.</param>
    /// <param name="words">Receives as many, modulo 2^32.</param>
    public void Encode(RingSection section, double factor, ReadOnlySpan<float> values, Span<uint> words)
    {
        ArgumentNullException.ThrowIfNull(section);
        Vector512<float> scale = Vector512.Create((float)(factor * section.Scale)), most = Vector512.Create(AtMost(Math.Ceiling(section.Bound * section.Scale)));
        Span<int> target = MemoryMarshal.Cast<uint, int>(words);
        LaneRandom random = _random;
        int i = 0;
        for (; i <= values.Length - LaneRandom.Lanes; i += LaneRandom.Lanes)
            Round(Vector512.Create<float>(values[i..]) * scale, most, random.NextSingles()).CopyTo(target[i..]);
        if (i < values.Length)
        {
            Span<float> padded = stackalloc float[LaneRandom.Lanes];
            Span<int> rounded = stackalloc int[LaneRandom.Lanes];
            values[i..].CopyTo(padded);
            Round(Vector512.Create<float>(padded) * scale, most, random.NextSingles()).CopyTo(rounded);
            rounded[..(values.Length - i)].CopyTo(target[i..]);
        }

        _random = random;
    }

    // The whole number below, or with the probability of the distance from it the one above. The distance is exact, and a number too large to have one is whole itself.
    private static Vector512<int> Round(Vector512<float> x, Vector512<float> most, Vector512<float> uniform)
    {
        x = Vector512.Max(-most, Vector512.Min(most, x));
        Vector512<float> below = Vector512.Floor(x);
        return Vector512.ConvertToInt32(below) - Vector512.LessThan(uniform, x - below).AsInt32();
    }

    private static float AtMost(double value) => (float)value <= value ? (float)value : MathF.BitDecrement((float)value);

    private static UpdateRefusedException Refused(string why) => new(SecureAggregationCodes.Input, $"The update cannot be summed securely: {why}.");
}
