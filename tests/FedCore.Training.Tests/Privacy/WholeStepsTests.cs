using FedCore.Numerics;
using FedCore.Training.Privacy;

namespace FedCore.Training.Tests.Privacy;

/// <summary>Sums in whole steps.</summary>
public class WholeStepsTests
{
    private static readonly WholeSteps Halves = new(2);

    // In vectors and behind the last whole one.
    [Theory]
    [InlineData(0.2f, 0)]
    [InlineData(0.25f, 0)]
    [InlineData(0.75f, 2)]
    [InlineData(-0.8f, -2)]
    [InlineData(1e30f, WholeSteps.Most)]
    [InlineData(float.PositiveInfinity, WholeSteps.Most)]
    [InlineData(-1e30f, -WholeSteps.Most)]
    [InlineData(1e-44f, 0)]
    public void A_number_is_rounded_to_the_nearest_step_and_cut(float value, double expected)
    {
        double[] sums = new double[20];
        Halves.Add([.. Enumerable.Repeat(value, sums.Length)], sums);
        Assert.All(sums, sum => Assert.Equal(expected, sum));
    }

    [Fact]
    public void Sums_add_up_and_stay_below_the_most()
    {
        double[] sums = [.. Enumerable.Repeat(WholeSteps.Most - 10, 20)];
        Halves.Add([.. Enumerable.Range(0, 20).Select(i => (float)i)], sums);
        Assert.Equal(Enumerable.Range(0, 20).Select(i => Math.Min(WholeSteps.Most, WholeSteps.Most - 10 + 2 * i)), sums);
        Halves.Add([.. Enumerable.Repeat(-1e30f, 20)], sums);
        Assert.Equal([-10, -8, -6, -4, -2, .. Enumerable.Repeat(0.0, 15)], sums);
    }

    // (10 + noise) steps of a tenth.
    [Fact]
    public void Sums_are_given_out_with_the_noise_and_scaled()
    {
        double[] sums = [.. Enumerable.Repeat(10.0, 20)];
        int[] noise = [.. Enumerable.Range(-10, 20)];
        float[] results = new float[20];
        WholeSteps.Finish(sums, noise, 0.1f, results);
        Assert.Equal(noise.Select(number => (number + 10) * 0.1f), results);
    }

    // Rounded to 3 steps, and noise, of an eighth; or cut.
    [Theory]
    [InlineData(1.4f, 3)]
    [InlineData(1e30f, WholeSteps.MostShort)]
    [InlineData(-1e30f, -WholeSteps.MostShort)]
    [InlineData(float.NegativeInfinity, -WholeSteps.MostShort)]
    public void A_short_sum_is_given_out_with_the_noise_and_scaled(float value, int steps)
    {
        float[] values = [.. Enumerable.Repeat(value, 20)];
        int[] noise = [.. Enumerable.Range(-10, 20).Select(number => number << 20)];
        Halves.FinishShort(values, noise, 0.125f);
        Assert.Equal(noise.Select(number => (number + steps) * 0.125f), values);
    }

    [Fact]
    public void A_short_sum_that_does_not_fit_is_taken_modulo_2_to_the_32()
    {
        float[] values = [.. Enumerable.Repeat(1e30f, 20)];
        Halves.FinishShort(values, [.. Enumerable.Repeat(1 << 30, 20)], 1);
        Assert.All(values, value => Assert.Equal(-(float)(1L << 31), value));
    }

    // Otherwise who sees the result would learn how many parts a batch had. The factor is no power of two, and 24 bits do not hold all sums.
    [Fact]
    public void Short_and_long_sums_are_given_out_with_the_same_bits()
    {
        RandomStream random = Draw.Stream("steps");
        float[] values = [.. Enumerable.Range(0, 10_003).Select(_ => ((float)random.NextDouble() - 0.5f) * (1 << 27))], results = new float[values.Length];
        int[] noise = [.. values.Select(_ => (int)(random.NextDouble() * (1 << 26)) - (int)(random.NextDouble() * (1 << 26)))];
        double[] sums = new double[values.Length];
        Halves.Add(values, sums);
        WholeSteps.Finish(sums, noise, 1 / 120f, results);
        Halves.FinishShort(values, noise, 1 / 120f);
        Assert.Equal(results, values);
    }
}
