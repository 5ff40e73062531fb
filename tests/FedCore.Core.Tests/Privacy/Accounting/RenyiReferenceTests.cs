using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Rdp;
using FedCore.Privacy.Clipping;

namespace FedCore.Core.Tests.Privacy.Accounting;

/// <summary>Renyi divergences and what is made of them, from the tests of Google's dp_accounting, TensorFlow Privacy and TensorFlow Federated; sources stand in the rows.</summary>
public class RenyiReferenceTests
{
    [Theory]
    [InlineData("rdp_poisson_gaussian", 3)]
    [InlineData("rdp_gaussian", 1)]
    [InlineData("dpftrl_tree_eps_upper", 1)]
    [InlineData("tree_max_sensitivity_sq", 2)]
    [InlineData("zcdp_to_eps_rdp", 1)]
    [InlineData("adaptive_clip_value_noise_multiplier", 2)]
    [InlineData("adaptive_clip_must_raise", 1)]
    public void Published_value_is_met(string quantity, int rows)
    {
        string[][] found = [.. ReferenceRows.Of("rdp_misc_reference").Where(row => row[0] == quantity)];
        Assert.Equal(rows, found.Length);
        Assert.All(found, Compare);
    }

    private static void Compare(string[] row)
    {
        double Given(string name) => ReferenceRows.Parameter(row[1], name);
        switch (row[0])
        {
            case "rdp_poisson_gaussian":
                double divergence = new RdpAccountant().With(new PoissonSampledEvent(Given("q"), new GaussianEvent(Given("noise_multiplier"))).Times((long)Given("steps"))).Divergence(Given("order"));
                Assert.InRange(divergence / ReferenceRows.Number(row[2]), 1 - 1e-4, 1 + 1e-4);
                break;
            case "rdp_gaussian":
                Assert.Equal(ReferenceRows.Number(row[2]), new RdpAccountant().With(new GaussianEvent(Given("sigma"))).Divergence(Given("order")), 1e-7);
                break;
            case "dpftrl_tree_eps_upper":
                Assert.InRange(new RdpAccountant().With(new TreeAggregationEvent(Given("noise_multiplier"), (int)Given("steps"))).Epsilon(Given("delta")), 18, ReferenceRows.Number(row[2]));
                break;
            case "tree_max_sensitivity_sq":
                Assert.Equal((long)ReferenceRows.Number(row[2]), TreeSensitivity.Squared((int)Given("steps"), (int)Given("max_participation"), (int)Given("min_separation")));
                break;
            case "zcdp_to_eps_rdp":
                // A Gaussian of noise multiplier z has rho = 1/(2 z^2).
                RdpAccountant accountant = new(orders: [.. Enumerable.Range(1, 99).Select(tenth => 1 + tenth / 10.0), .. Enumerable.Range(12, 52).Select(order => (double)order)]);
                Assert.Equal(ReferenceRows.Number(row[2]), accountant.With(new GaussianEvent(1 / Math.Sqrt(2 * Given("rho")))).Epsilon(Given("delta")), 0.01);
                break;
            case "adaptive_clip_value_noise_multiplier":
                Assert.Equal(ReferenceRows.Number(row[2]), AdaptiveClip.ValueNoiseMultiplier(Given("noise_multiplier"), Given("clipped_count_stddev")), 1e-12);
                break;
            default:
                Assert.Equal("error", row[2]);
                Assert.Equal("privacy.noise-multiplier", Assert.Throws<FedCoreException>(() => AdaptiveClip.ValueNoiseMultiplier(Given("noise_multiplier"), Given("clipped_count_stddev"))).Code);
                break;
        }
    }
}
