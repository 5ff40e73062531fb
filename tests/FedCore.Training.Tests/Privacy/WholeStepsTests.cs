using FedCore.Training.Privacy;

namespace FedCore.Training.Tests.Privacy;

/// <summary>Sums in whole steps.</summary>
public class WholeStepsTests
{
    private const float Most = (1 << 30) - 64;

    // In vectors and behind the last whole one.
    [Theory]
    [InlineData(0.2f, 0)]
    [InlineData(0.25f, 0)]
    [InlineData(0.75f, 2)]
    [InlineData(-0.8f, -2)]
    [InlineData(1e30f, (1 << 30) - 64)]
    [InlineData(float.PositiveInfinity, (1 << 30) - 64)]
    [InlineData(-1e30f, -((1 << 30) - 64))]
    [InlineData(1e-44f, 0)]
    public void A_number_is_rounded_to_the_nearest_step_and_cut(float value, int expected)
    {
        int[] sums = new int[20];
        WholeSteps.Add([.. Enumerable.Repeat(value, sums.Length)], 2, Most, sums);
        Assert.All(sums, sum => Assert.Equal(expected, sum));
    }

    [Fact]
    public void Sums_add_up_and_stay_below_the_most()
    {
        int[] sums = [.. Enumerable.Repeat((1 << 30) - 65, 20)];
        WholeSteps.Add([.. Enumerable.Range(0, 20).Select(i => (float)i)], 1, Most, sums);
        Assert.Equal([(1 << 30) - 65, .. Enumerable.Repeat((1 << 30) - 64, 19)], sums);
        WholeSteps.Add([.. Enumerable.Repeat(-3e9f, 20)], 1, Most, sums);
        Assert.Equal([-1, .. Enumerable.Repeat(0, 19)], sums);
    }
}
