using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Pld;
using FedCore.Privacy.Accounting.Rdp;

namespace FedCore.Core.Tests.Privacy.Accounting;

public class CalibrationTests
{
    [Theory]
    [InlineData(AccountantKind.Pld, NeighboringRelation.ZeroOut, 0.01, 1000, 4, 1e-6)]
    [InlineData(AccountantKind.Rdp, NeighboringRelation.ZeroOut, 0.01, 1000, 4, 1e-6)]
    [InlineData(AccountantKind.Pld, NeighboringRelation.ReplaceOne, 0.01, 1000, 4, 1e-6)]
    [InlineData(AccountantKind.Pld, NeighboringRelation.ZeroOut, 1, 10, 20, 1e-6)]

    // Renyi divergences would have four hundred times the noise.
    [InlineData(AccountantKind.Pld, NeighboringRelation.ZeroOut, 0.01, 10, 1e-3, 1e-6)]
    public void The_noise_is_the_smallest_that_keeps_the_budget(AccountantKind kind, NeighboringRelation relation, double rate, long steps, double epsilon, double delta)
    {
        PrivacyEvent Happened(double noise) => new PoissonSampledEvent(rate, new GaussianEvent(noise)).Times(steps);
        double found = Calibration.NoiseMultiplier(noise => [Happened(noise)], () => PrivacyAccountant.Create(kind, relation), epsilon, delta);
        Assert.InRange(PrivacyAccountant.Create(kind, relation).With(Happened(found)).Epsilon(delta), epsilon * (1 - 1e-6), epsilon);
        Assert.True(PrivacyAccountant.Create(kind, relation).With(Happened(found * (1 - 1e-6))).Epsilon(delta) > epsilon);
    }

    [Theory]
    [InlineData(AccountantKind.Pld)]
    [InlineData(AccountantKind.Rdp)]
    public void A_budget_that_no_noise_keeps_is_refused_before_long(AccountantKind kind)
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        FedCoreException fault = Assert.Throws<FedCoreException>(() => Calibration.NoiseMultiplier(
            noise => [new PoissonSampledEvent(0.5, new GaussianEvent(noise)).Times(100_000_000)], () => PrivacyAccountant.Create(kind), 1e-3, 1e-12));
        Assert.Equal("privacy.unreachable", fault.Code);
        Assert.Contains("up to 1000000 keeps epsilon 0.001", fault.Message, StringComparison.Ordinal);
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 10);
    }

    // In ten samples of one in a billion each nobody is but with probability 1e-8, which delta allows for.
    [Fact]
    public void Hardly_anyone_in_any_sample_needs_no_noise()
    {
        PrivacyEvent Happened(double noise) => new PoissonSampledEvent(1e-9, new GaussianEvent(noise)).Times(10);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        Assert.Equal(1e-3, Calibration.NoiseMultiplier(noise => [Happened(noise)], () => new PldAccountant(), 0.1, 1e-6));
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 10);
        Assert.Equal(0, new PldAccountant().With(Happened(1e-3)).Epsilon(1.0001e-8));
        Assert.NotEqual(0, new PldAccountant().With(Happened(0.1)).Epsilon(0.9999e-8));
        Assert.NotEqual(0, new PldAccountant().With(Happened(10)).With(new GaussianEvent(1)).Epsilon(1e-6));
    }

    // With much noise log A is about alpha (alpha - 1) q^2/(2 z^2); the line between the whole orders 1 and 2 is at most 2/alpha times that, and above them nearer.
    [Theory]
    [InlineData(1.1)]
    [InlineData(1.5)]
    [InlineData(2.5)]
    [InlineData(10.9)]
    public void Fractional_orders_of_much_noise_on_half_of_all_are_bounded_at_once_and_well(double order)
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        foreach (double z in (double[])[30, 1000, 1e6])
            Assert.InRange(PoissonGaussianRdp.At(0.5, z, order) / (order * 0.25 / (2 * z * z)), 0.99, order < 2 ? 2.01 / order : 1.2);
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 1);
    }
}
