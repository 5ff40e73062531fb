using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FedCore.Training.Privacy;

/// <summary>
/// Numbers that are rounded to whole steps and added up, so that nothing but the rounding rounds: in doubles, where sums are cut to 2^52, or, where all that there is fits into 32 bits, in whole numbers.
/// </summary>
/// <param name="perStep">How many steps are 1: a power of two.</param>
internal readonly struct WholeSteps(float perStep)
{
    /// <summary>The largest magnitude of a sum.</summary>
    public const double Most = 1L << 52;

    /// <summary>The largest magnitude of a sum in 32 bits, which leaves as much room for noise.</summary>
    public const int MostShort = 1 << 30;

    private readonly float _perStep = perStep;

    /// <summary>Adds numbers to sums.</summary>
    /// <param name="values">The numbers.</param>
    /// <param name="sums">The sums, as many.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Add(ReadOnlySpan<float> values, Span<double> sums)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(sums.Length, values.Length, nameof(sums));
        ref float x = ref MemoryMarshal.GetReference(values);
        ref double sum = ref MemoryMarshal.GetReference(sums);
        int i = 0;
        for (; i <= values.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            nuint upperHalf = (nuint)(i + Vector<double>.Count);
            Vector.Widen(Round(Vector.LoadUnsafe(ref x, (nuint)i), (float)Most), out Vector<double> lower, out Vector<double> upper);
            Cut(Vector.LoadUnsafe(ref sum, (nuint)i) + lower).StoreUnsafe(ref sum, (nuint)i);
            Cut(Vector.LoadUnsafe(ref sum, upperHalf) + upper).StoreUnsafe(ref sum, upperHalf);
        }

        for (; i < values.Length; i++) sums[i] = Cut(sums[i] + Round(values[i], (float)Most));
    }

    /// <summary>Adds noise to sums, and scales what comes of it.</summary>
    /// <param name="sums">The sums.</param>
    /// <param name="noise">The noise in steps, as many.</param>
    /// <param name="factor">What a step is in the result.</param>
    /// <param name="results">Receives the results, as many: of the same number of steps the same bits as <see cref="FinishShort"/>'s, so that nobody sees which of both was at work.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Finish(ReadOnlySpan<double> sums, ReadOnlySpan<int> noise, float factor, Span<float> results)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(noise.Length, sums.Length, nameof(noise));
        ArgumentOutOfRangeException.ThrowIfNotEqual(results.Length, sums.Length, nameof(results));
        ref double sum = ref MemoryMarshal.GetReference(sums);
        ref int added = ref MemoryMarshal.GetReference(noise);
        ref float result = ref MemoryMarshal.GetReference(results);
        int i = 0;
        for (; i <= sums.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector.Widen(Vector.LoadUnsafe(ref added, (nuint)i), out Vector<long> first, out Vector<long> second);
            Vector<double> lower = Vector.LoadUnsafe(ref sum, (nuint)i) + Convert(first), upper = Vector.LoadUnsafe(ref sum, (nuint)(i + Vector<double>.Count)) + Convert(second);
            (Vector.Narrow(lower, upper) * factor).StoreUnsafe(ref result, (nuint)i);
        }

        for (; i < sums.Length; i++) results[i] = (float)(sums[i] + noise[i]) * factor;
    }

    /// <summary>Adds noise to numbers, and scales what comes of it, in 32 bits.</summary>
    /// <param name="values">The numbers, cut to <see cref="MostShort"/>; receives the results.</param>
    /// <param name="noise">The noise in steps, as many. A sum that does not fit is taken modulo 2^32.</param>
    /// <param name="factor">What a step is in the result.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void FinishShort(Span<float> values, ReadOnlySpan<int> noise, float factor)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(noise.Length, values.Length, nameof(noise));
        ref float x = ref MemoryMarshal.GetReference(values);
        ref int added = ref MemoryMarshal.GetReference(noise);
        int i = 0;
        for (; i <= values.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector<int> steps = Vector.ConvertToInt32Native(Round(Vector.LoadUnsafe(ref x, (nuint)i), MostShort));
            (Vector.ConvertToSingle(steps + Vector.LoadUnsafe(ref added, (nuint)i)) * factor).StoreUnsafe(ref x, (nuint)i);
        }

        for (; i < values.Length; i++) values[i] = ((int)Round(values[i], MostShort) + noise[i]) * factor;
    }

    // Whole steps that are cut to a power of two.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector<float> Round(Vector<float> values, float most) => Vector.Round(Vector.MinNative(Vector.MaxNative(values * _perStep, Vector.Create(-most)), Vector.Create(most)));

    private float Round(float value, float most) => MathF.Round(Math.Clamp(value * _perStep, -most, most));

    // A whole number of less than 51 bits: added to the bits of 1.5 x 2^52, whose last bit is 1, since not every processor converts 64 bits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<double> Convert(Vector<long> numbers)
    {
        const double Origin = 1.5 * (1L << 52);
        return (numbers + Vector.Create(BitConverter.DoubleToInt64Bits(Origin))).As<long, double>() - Vector.Create(Origin);
    }

    private static Vector<double> Cut(Vector<double> sums) => Vector.MinNative(Vector.MaxNative(sums, Vector.Create(-Most)), Vector.Create(Most));

    private static double Cut(double sum) => Math.Clamp(sum, -Most, Most);
}
