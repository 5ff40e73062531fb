using FedCore.Privacy.Clipping;

namespace FedCore.Core.Tests.Privacy.Clipping;

public class AdaptiveClipTests
{
    // A twentieth of the cohort (Andrew et al. 2021, section 3.1), unless the count would cost more than both may.
    [Theory]
    [InlineData(1000, 1.0, 50.0)]
    [InlineData(5, 2.7, 2.7)]
    public void The_count_has_noise_by_the_cohort_and_never_less_than_leaves_room_for_updates(int clients, double noiseMultiplier, double expected) =>
        Assert.Equal(expected, new AdaptiveClip().CountNoiseFor(clients, noiseMultiplier));

    // (1 - 1/4)^-1/2.
    [Fact]
    public void With_as_much_noise_on_the_count_updates_need_a_little_more() => Assert.Equal(2.7 / Math.Sqrt(0.75), AdaptiveClip.ValueNoiseMultiplier(2.7, 2.7), 1e-12);
}
