using FedCore.Numerics;

namespace FedCore.Training.Tests;

/// <summary>Numbers for tests, the same on every run.</summary>
internal static class Draw
{
    public static RandomStream Stream(string purpose, long index = 0) => new RandomKeys([], 1).Stream(purpose, index);

    /// <summary>Uniform in [-1, 1).</summary>
    public static float[] Uniform(RandomStream random, int count)
    {
        float[] values = new float[count];
        foreach (ref float value in values.AsSpan()) value = (float)(2 * random.NextDouble() - 1);
        return values;
    }

    /// <summary>A share of the values uniform in [-1, 1), the others zero.</summary>
    public static float[] Sparse(RandomStream random, int count, double share)
    {
        float[] values = Uniform(random, count);
        foreach (ref float value in values.AsSpan())
            if (random.NextDouble() >= share) value = 0;
        return values;
    }

    /// <summary>Multiples of 1/8 in [-1, 1]: sums of a few thousand products of three of them are exact in a float.</summary>
    public static float[] Eighths(RandomStream random, int count)
    {
        float[] values = new float[count];
        foreach (ref float value in values.AsSpan()) value = (random.NextInt32(17) - 8) / 8f;
        return values;
    }

    /// <summary>0, step, 2 step, ... around zero in random order: no two are equal or nearer than a step.</summary>
    public static float[] Distinct(RandomStream random, int count, float step)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) values[i] = (i - count / 2 + 0.5f) * step;
        random.Shuffle<float>(values);
        return values;
    }
}
