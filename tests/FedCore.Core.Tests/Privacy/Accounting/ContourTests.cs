using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Pld;

namespace FedCore.Core.Tests.Privacy.Accounting;

public class ContourTests
{
    [Theory]
    [InlineData(2.0, 0.05, 1000)]
    [InlineData(0.8, 0.05, 20_000)]
    [InlineData(2.0, 0.001, 100_000)]
    [InlineData(0.5, 0.01, 500)]
    public void Composed_epsilon_is_hardly_above_that_of_the_inverted_transform(double z, double q, long steps)
    {
        double exact = Math.Max(new ContourIntegral(z, q, steps, isAdd: false).Epsilon(1e-6), new ContourIntegral(z, q, steps, isAdd: true).Epsilon(1e-6));
        double bound = new PldAccountant().With(new PoissonSampledEvent(q, new GaussianEvent(z)).Times(steps)).Epsilon(1e-6);
        Assert.InRange(bound, exact * (1 - 1e-7), exact * 1.004);
    }
}
