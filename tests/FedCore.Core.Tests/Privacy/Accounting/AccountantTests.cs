using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Pld;
using FedCore.Privacy.Accounting.Rdp;

namespace FedCore.Core.Tests.Privacy.Accounting;

public class AccountantTests
{
    private static readonly PrivacyEvent Sampled = new PoissonSampledEvent(0.01, new GaussianEvent(1));

    public static TheoryData<AccountantKind> Kinds => [AccountantKind.Pld, AccountantKind.Rdp];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Nothing_costs_nothing(AccountantKind kind)
    {
        PrivacyAccountant accountant = PrivacyAccountant.Create(kind);
        accountant.Record(Sampled, 0);
        accountant.Record(new PoissonSampledEvent(0, new GaussianEvent(1)), 10);
        Assert.Equal(0, accountant.Epsilon(1e-6));
        Assert.Equal(0, accountant.Delta(0));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Repeated_events_cost_what_they_cost_one_by_one(AccountantKind kind)
    {
        PrivacyAccountant one = PrivacyAccountant.Create(kind), all = PrivacyAccountant.Create(kind);
        for (int i = 0; i < 12; i++) one.Record(Sampled);
        all.Record(Sampled.Times(3), 4);
        Assert.Equal(one.Epsilon(1e-6), all.Epsilon(1e-6));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Delta_and_epsilon_belong_together(AccountantKind kind)
    {
        PrivacyAccountant accountant = PrivacyAccountant.Create(kind).With(Sampled.Times(500)).With(new GaussianEvent(4));
        double epsilon = accountant.Epsilon(1e-6);
        Assert.InRange(accountant.Delta(epsilon) / 1e-6, 0.99, 1 + 1e-6);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Sampling_everybody_is_no_sampling(AccountantKind kind) =>
        Assert.Equal(
            PrivacyAccountant.Create(kind).With(new GaussianEvent(2).Times(7)).Epsilon(1e-6),
            PrivacyAccountant.Create(kind).With(new PoissonSampledEvent(1, new GaussianEvent(2)).Times(7)).Epsilon(1e-6));

    [Theory]
    [MemberData(nameof(Kinds))]
    public void An_exchange_doubles_the_sensitivity(AccountantKind kind) =>
        Assert.Equal(
            PrivacyAccountant.Create(kind).With(new GaussianEvent(2).Times(3)).Epsilon(1e-6),
            PrivacyAccountant.Create(kind, NeighboringRelation.ReplaceOne).With(new GaussianEvent(4).Times(3)).Epsilon(1e-6),
            1e-9);

    // What a site spends that knows it took part (mu = sqrt(T)/z of Gaussian differential privacy, delta 1e-5): 4.4 in one round with z = 1, 17.9 in ten.
    [Theory]
    [InlineData(1, 4.4)]
    [InlineData(10, 17.9)]
    public void Rounds_that_are_not_sampled_cost_what_one_gaussian_costs(int rounds, double epsilon) =>
        Assert.Equal(epsilon, new PldAccountant().With(new GaussianEvent(1).Times(rounds)).Epsilon(1e-5), 0.05);

    [Fact]
    public void Two_mechanisms_together_cost_as_much_in_the_discretised_sum_as_in_closed_form()
    {
        // A sampled Gaussian that costs next to nothing keeps the second accountant from the closed form.
        double exact = new PldAccountant().With(new GaussianEvent(1.5).Times(4)).With(new GaussianEvent(3).Times(2)).Epsilon(1e-6);
        double summed = new PldAccountant().With(new GaussianEvent(1.5).Times(4)).With(new GaussianEvent(3).Times(2)).With(new PoissonSampledEvent(1e-9, new GaussianEvent(100))).Epsilon(1e-6);
        Assert.InRange(summed, exact, exact + 1e-3);
    }

    [Fact]
    public void Renyi_bounds_are_above_the_loss_distribution()
    {
        foreach (double q in (double[])[0.001, 0.1, 1])
            foreach (double z in (double[])[0.6, 1, 4])
                foreach (long steps in (long[])[1, 30, 1000])
                {
                    PrivacyEvent happened = new PoissonSampledEvent(q, new GaussianEvent(z)).Times(steps);
                    double pld = new PldAccountant().With(happened).Epsilon(1e-6), rdp = new RdpAccountant().With(happened).Epsilon(1e-6);
                    Assert.True(pld <= rdp, $"q {q}, z {z}, {steps} steps: {pld} by PLD, {rdp} by RDP");
                }
    }

    [Fact]
    public void An_exchange_among_samples_costs_more_than_a_removal_and_no_more_than_without_sampling()
    {
        PrivacyEvent happened = Sampled.Times(200);
        double removal = new PldAccountant().With(happened).Epsilon(1e-6), exchange = new PldAccountant(NeighboringRelation.ReplaceOne).With(happened).Epsilon(1e-6);
        double unsampled = new PldAccountant(NeighboringRelation.ReplaceOne).With(new GaussianEvent(1).Times(200)).Epsilon(1e-6);
        Assert.InRange(exchange, removal, unsampled);
    }

    [Fact]
    public void Sampling_of_a_fixed_size_costs_less_than_none_and_more_than_a_removal_by_poisson_sampling()
    {
        PrivacyEvent gaussian = new GaussianEvent(4);
        double none = new RdpAccountant().With(gaussian.Times(100)).Epsilon(1e-6);
        double fixedSize = new RdpAccountant().With(new FixedSizeSampledEvent(1000, 10, gaussian).Times(100)).Epsilon(1e-6);
        double poisson = new RdpAccountant().With(new PoissonSampledEvent(0.01, gaussian).Times(100)).Epsilon(1e-6);
        Assert.True(poisson < fixedSize && fixedSize < none, $"{poisson}, {fixedSize}, {none}");
    }

    // Zhu and Wang's bound holds for the Gaussian too, for which the exact divergence is known.
    [Fact]
    public void Bound_for_sampling_of_any_mechanism_is_above_the_exact_one_and_near_it()
    {
        foreach (double order in (double[])[2, 3, 8, 32])
        {
            double exact = PoissonGaussianRdp.At(0.01, 2, order), bound = SampledRdp.Poisson(0.01, alpha => alpha / 8, order);
            Assert.InRange(bound, exact * (1 - 1e-9), 3 * exact);
        }
    }

    [Fact]
    public void A_sum_of_discrete_gaussians_costs_what_a_gaussian_of_their_variance_costs()
    {
        var distributed = new DistributedDiscreteGaussianEvent(3, 100, 30, 10_000);
        double gaussian = new RdpAccountant().With(new GaussianEvent(1)).Epsilon(1e-6);
        Assert.InRange(distributed.Tau * 10_000, 0, 1e-6);
        Assert.InRange(new RdpAccountant().With(distributed).Epsilon(1e-6), gaussian, gaussian * (1 + 1e-6));
    }

    // The terms one by one, the smallest first.
    [Theory]
    [InlineData(0.5)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void The_distance_of_a_sum_of_discrete_gaussians_is_that_of_all_terms_whatever_their_number(double sigma)
    {
        foreach (int clients in (int[])[2, 3, 1000, 4097, 4098, 5000, 1_000_000])
        {
            double sum = 0;
            for (int k = clients - 1; k > 0; k--) sum += Math.Exp(-2 * Math.PI * Math.PI * sigma * sigma * k / (k + 1));
            Assert.InRange(new DistributedDiscreteGaussianEvent(sigma, clients, 1, 1).Tau / (10 * sum), 1 - 1e-12, 1 + (clients > 4097 ? 1e-5 : 1e-12));
        }
    }

    // Every term is above its limit, e^(-2 pi^2 sigma^2), and nearly all are at it.
    [Fact]
    public void The_distance_of_a_sum_of_very_many_discrete_gaussians_is_known_at_once()
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        double limit = 10.0 * (int.MaxValue - 1) * Math.Exp(-2 * Math.PI * Math.PI * 0.25);
        Assert.InRange(new DistributedDiscreteGaussianEvent(0.5, int.MaxValue, 1, 1).Tau, limit, limit * (1 + 1e-6));
        Assert.InRange(new DistributedDiscreteGaussianEvent(8, int.MaxValue, 1, 1).Tau, 0, 1e-200);
        Assert.Equal(0, new DistributedDiscreteGaussianEvent(1e6, int.MaxValue, 1, 1).Tau);
        new RdpAccountant().With(new DistributedDiscreteGaussianEvent(3, int.MaxValue, 30, 1000)).Epsilon(1e-6);
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 2);
    }

    // The continuous bound for wide discrete noise, against the exact privacy loss of one number.
    [Theory]
    [InlineData(8, 4)]
    [InlineData(8, 11)]
    [InlineData(40, 30)]
    public void Wide_discrete_noise_loses_no_more_than_continuous_noise_and_hardly_less(double sigma, long sensitivity)
    {
        var exact = new DiscreteGaussianPair(new DiscreteGaussianDistribution(sigma), sensitivity, 1, false);
        var bound = new GaussianPair(new DiscreteGaussianEvent(sigma, sensitivity, 2).ContinuousNoiseMultiplier!.Value, 1);
        for (double epsilon = 0; epsilon < 4; epsilon += 0.1)
        {
            double delta = bound.Delta(LossDirection.Remove, epsilon);
            Assert.InRange(exact.Delta(LossDirection.Remove, epsilon), sigma > 20 ? 0.7 * delta : 0, delta * (1 + 1e-12));
        }
    }

    [Fact]
    public void Too_narrow_noise_does_not_add_up_to_a_discrete_gaussian() =>
        Assert.Equal(double.PositiveInfinity, new RdpAccountant().With(new DistributedDiscreteGaussianEvent(0.4, 100, 1, 10)).Epsilon(1e-6));

    [Fact]
    public void What_is_not_known_exactly_is_refused_by_name()
    {
        var pld = new PldAccountant();
        Assert.Contains("RDP", Assert.Throws<NotSupportedException>(() => pld.Record(new DistributedDiscreteGaussianEvent(3, 10, 30, 100))).Message, StringComparison.Ordinal);
        Assert.Contains("RDP", Assert.Throws<NotSupportedException>(() => pld.Record(new DiscreteGaussianEvent(3, 1, 2))).Message, StringComparison.Ordinal);
        Assert.Contains("RDP", Assert.Throws<NotSupportedException>(() => pld.Record(new FixedSizeSampledEvent(10, 2, new GaussianEvent(1)))).Message, StringComparison.Ordinal);
        Assert.Contains("PLD", Assert.Throws<NotSupportedException>(() => new RdpAccountant(NeighboringRelation.ReplaceOne).Record(Sampled)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Events_come_back_from_json_as_they_were()
    {
        PrivacyEvent[] events =
        [
            new GaussianEvent(1.5), new DiscreteGaussianEvent(3, 2, 7), new DistributedDiscreteGaussianEvent(3, 10, 30, 100), new TreeAggregationEvent(2, 64, 3, 5), Sampled,
            new FixedSizeSampledEvent(100, 10, new GaussianEvent(2)), Sampled.Times(9),
        ];
        var options = new System.Text.Json.JsonSerializerOptions { PropertyNamingPolicy = System.Text.Json.JsonNamingPolicy.CamelCase };
        string json = System.Text.Json.JsonSerializer.Serialize(events, options);
        Assert.Equal(events, System.Text.Json.JsonSerializer.Deserialize<PrivacyEvent[]>(json, options)!);
        Assert.Contains("""{"event":"poissonSampled","samplingRate":0.01,"mechanism":{"event":"gaussian","noiseMultiplier":1}}""", json, StringComparison.Ordinal);
    }
}
