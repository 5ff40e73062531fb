using FedCore.Privacy.Sampling;
using FedCore.Rounds.Privacy;
using FedCore.Strategies;
using FedCore.Training.Data;

namespace FedCore.Training.Privacy;

/// <summary>
/// The mean over examples of numbers that are made of each. Each example's numbers are scaled down to the bound and cut to whole steps towards zero, so that what one example changes of the sum is
/// known to the last bit, and exact noise is added to whole numbers.
/// </summary>
internal static class ExampleMean
{
    // Steps per unit, 2^20: a sum of 2^31 examples has room.
    private const double Scale = 1 << 20;

    /// <summary>Computes the mean.</summary>
    /// <param name="examples">The examples, at least one.</param>
    /// <param name="map">Makes the numbers.</param>
    /// <param name="privacy">What the run promises, where sites hide their examples; null for no noise.</param>
    /// <param name="random">Where random bytes come from, by purpose.</param>
    /// <param name="mean">Receives the mean, [numbers].</param>
    public static void Write(ExampleView examples, ExampleMap map, RunPrivacy? privacy, Func<string, RandomBytes> random, Span<float> mean)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(mean.Length, map.Length, nameof(mean));
        double bound = Math.Min(map.Bound, privacy?.Policy.Clip ?? double.PositiveInfinity);
        long[] sums = Sum(examples, map, bound);
        if (privacy is not null)
        {
            using RandomBytes bytes = random("noise");
            DiscreteGaussianSampler noise = WideNoise.Sampler(privacy.NoiseMultiplier * privacy.Policy.Clip * Scale, bytes);
            foreach (ref long sum in sums.AsSpan()) sum += noise.Next();
        }

        for (int i = 0; i < sums.Length; i++) mean[i] = (float)(sums[i] / (Scale * examples.Count));
    }

    private static long[] Sum(ExampleView examples, ExampleMap map, double bound)
    {
        long[] sums = new long[map.Length];
        double[] numbers = new double[map.Length];
        float[] features = new float[examples.Set.FeatureLength], label = new float[examples.Set.LabelWidth];
        foreach (int row in examples.Rows.Span)
        {
            if (examples.Set.CountsAsNone(row)) continue;
            examples.Set.CopyFeatures([row], features);
            examples.Set.CopyLabels([row], label);
            Array.Clear(numbers);
            map.Map(features, label, numbers);
            double squares = 0;
            foreach (ref double number in numbers.AsSpan())
            {
                if (!double.IsFinite(number)) number = 0;
                squares += number * number;
            }

            // The last bits of a norm are not exact: a little less is never too much.
            double factor = squares > bound * bound ? bound / Math.Sqrt(squares) * (1 - 1e-12) : 1;
            if (!double.IsFinite(squares)) continue;
            for (int i = 0; i < sums.Length; i++) sums[i] += (long)(numbers[i] * factor * Scale);
        }

        return sums;
    }
}
