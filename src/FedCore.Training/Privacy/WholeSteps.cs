using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FedCore.Training.Privacy;

/// <summary>Numbers that are rounded to whole steps and added up. Doubles hold the sums, which are whole and cut to 2^52, so that nothing but the rounding rounds.</summary>
/// <param name="perStep">How many steps are 1: a power of two.</param>
internal readonly struct WholeSteps(float perStep)
{
    /// <summary>The largest magnitude of a sum.</summary>
    public const double Most = 1L << 52;

    private readonly float _perStep = perStep;

    /// <summary>Adds numbers to sums.</summary>
    /// <param name="values">The numbers.</param>
    /// <param name="sums">The sums, as many.</param>
    public void Add(ReadOnlySpan<float> values, Span<double> sums)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(sums.Length, values.Length, nameof(sums));
        ref float x = ref MemoryMarshal.GetReference(values);
        ref double sum = ref MemoryMarshal.GetReference(sums);
        int i = 0;
        for (; i <= values.Length - Vector512<float>.Count; i += Vector512<float>.Count)
        {
            (Vector512<double> lower, Vector512<double> upper) = Widen(ref x, i);
            Cut(Vector512.LoadUnsafe(ref sum, (nuint)i) + lower).StoreUnsafe(ref sum, (nuint)i);
            Cut(Vector512.LoadUnsafe(ref sum, (nuint)i + 8) + upper).StoreUnsafe(ref sum, (nuint)i + 8);
        }

        for (; i < values.Length; i++) sums[i] = Cut(sums[i] + Round(values[i]));
    }

    /// <summary>Adds numbers to sums and noise to these, and scales what comes of it.</summary>
    /// <param name="values">The numbers; receives the result.</param>
    /// <param name="sums">The sums, as many; none for zeros.</param>
    /// <param name="noise">The noise in steps, as many.</param>
    /// <param name="factor">What a step is in the result.</param>
    public void Finish(Span<float> values, ReadOnlySpan<double> sums, ReadOnlySpan<int> noise, double factor)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(noise.Length, values.Length, nameof(noise));
        if (!sums.IsEmpty) ArgumentOutOfRangeException.ThrowIfNotEqual(sums.Length, values.Length, nameof(sums));
        ref float x = ref MemoryMarshal.GetReference(values);
        ref double sum = ref MemoryMarshal.GetReference(sums);
        ref int added = ref MemoryMarshal.GetReference(noise);
        int i = 0;
        for (; i <= values.Length - Vector512<float>.Count; i += Vector512<float>.Count)
        {
            (Vector512<double> lower, Vector512<double> upper) = Widen(ref x, i);
            if (!sums.IsEmpty)
            {
                lower = Cut(lower + Vector512.LoadUnsafe(ref sum, (nuint)i));
                upper = Cut(upper + Vector512.LoadUnsafe(ref sum, (nuint)i + 8));
            }

            (Vector512<long> first, Vector512<long> second) = Vector512.Widen(Vector512.LoadUnsafe(ref added, (nuint)i));
            lower = (lower + Convert(first)) * factor;
            upper = (upper + Convert(second)) * factor;
            Vector512.Narrow(lower, upper).StoreUnsafe(ref x, (nuint)i);
        }

        for (; i < values.Length; i++) values[i] = (float)((Cut((sums.IsEmpty ? 0 : sums[i]) + Round(values[i])) + noise[i]) * factor);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private (Vector512<double> Lower, Vector512<double> Upper) Widen(ref float x, int i)
    {
        Vector512<float> most = Vector512.Create((float)Most), steps = Vector512.LoadUnsafe(ref x, (nuint)i) * _perStep;
        return Vector512.Widen(Vector512.Round(Vector512.MinNative(Vector512.MaxNative(steps, -most), most)));
    }

    // A whole number of less than 51 bits: added to the bits of 1.5 x 2^52, whose last bit is 1, since not every processor converts 64 bits.
    private static Vector512<double> Convert(Vector512<long> numbers)
    {
        const double Origin = 1.5 * (1L << 52);
        return (numbers + Vector512.Create(BitConverter.DoubleToInt64Bits(Origin))).AsDouble() - Vector512.Create(Origin);
    }

    private double Round(float value) => Cut(MathF.Round(value * _perStep));

    private static Vector512<double> Cut(Vector512<double> sums) => Vector512.MinNative(Vector512.MaxNative(sums, Vector512.Create(-Most)), Vector512.Create(Most));

    private static double Cut(double sum) => Math.Clamp(sum, -Most, Most);
}
