using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FedCore.Training.Privacy;

/// <summary>Numbers in whole steps.</summary>
internal static class WholeSteps
{
    /// <summary>Adds numbers, each rounded to the nearest whole step, to sums. Numbers and sums beyond a magnitude are cut to it.</summary>
    /// <param name="values">The numbers.</param>
    /// <param name="perStep">How many steps are 1: a power of two, so that nothing but the rounding rounds.</param>
    /// <param name="most">The largest magnitude in steps, below 2^30.</param>
    /// <param name="sums">The sums, as many as numbers.</param>
    public static void Add(ReadOnlySpan<float> values, float perStep, float most, Span<int> sums)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(sums.Length, values.Length, nameof(sums));
        Vector512<float> scale = Vector512.Create(perStep), mostSteps = Vector512.Create(most);
        Vector512<int> mostSum = Vector512.Create((int)most);
        ref float x = ref MemoryMarshal.GetReference(values);
        ref int sum = ref MemoryMarshal.GetReference(sums);
        int i = 0;
        for (; i <= values.Length - Vector512<float>.Count; i += Vector512<float>.Count)
        {
            Vector512<float> steps = Vector512.Round(Vector512.Min(mostSteps, Vector512.Max(-mostSteps, Vector512.LoadUnsafe(ref x, (nuint)i) * scale)));
            Vector512<int> next = Vector512.LoadUnsafe(ref sum, (nuint)i) + Vector512.ConvertToInt32(steps);
            Vector512.Min(mostSum, Vector512.Max(-mostSum, next)).StoreUnsafe(ref sum, (nuint)i);
        }

        for (; i < values.Length; i++)
            sums[i] = Math.Clamp(sums[i] + (int)MathF.Round(Math.Clamp(values[i] * perStep, -most, most)), -(int)most, (int)most);
    }
}
