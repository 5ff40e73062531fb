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

    // (3 + 7 + noise) steps of a tenth.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_last_part_is_added_with_the_noise_and_scaled(bool hasSums)
    {
        float[] values = [.. Enumerable.Repeat(1.5f, 20)];
        double[] sums = [.. Enumerable.Repeat(7.0, 20)];
        int[] noise = [.. Enumerable.Range(-10, 20)];
        Halves.Finish(values, hasSums ? sums : [], noise, 0.1);
        Assert.Equal(noise.Select(number => (float)((number + (hasSums ? 10 : 3)) * 0.1)), values);
    }
}
