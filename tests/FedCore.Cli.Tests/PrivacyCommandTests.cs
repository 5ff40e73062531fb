using System.Text.Json;

namespace FedCore.Cli.Tests;

public class PrivacyCommandTests
{
    // Opacus' PRV accountant and Google's dp_accounting on the same parameters: 4.16 by the loss distribution, 4.4755 by Renyi divergences.
    [Fact]
    public async Task Epsilon_is_the_lower_of_both_accountants()
    {
        JsonElement answer = (await Fedcore.SucceedAsync("privacy", "epsilon", "--noise-multiplier", "2", "--sampling-rate", "0.05", "--steps", "1000", "--delta", "1e-6", "--json")).Json;
        Assert.Equal(4.1626, answer.GetProperty("epsilon").GetDouble(), 1e-3);
        Assert.Equal(4.4755, answer.GetProperty("bounds").GetProperty("rdp").GetDouble(), 1e-3);
        Assert.Equal("pld", answer.GetProperty("accountant").GetString());
    }

    [Fact]
    public async Task An_accountant_can_be_chosen() =>
        Assert.Equal(4.4755, (await Fedcore.SucceedAsync("privacy", "epsilon", "--noise-multiplier", "2", "--sampling-rate", "0.05", "--steps", "1000", "--delta", "1e-6", "--accountant", "rdp", "--json"))
            .Json.GetProperty("epsilon").GetDouble(), 1e-3);

    // Opacus: 1.3562 by Renyi divergences for epsilon 8.
    [Fact]
    public async Task Noise_for_an_epsilon_is_found() =>
        Assert.Equal(1.3562, (await Fedcore.SucceedAsync("privacy", "noise", "--epsilon", "8", "--sampling-rate", "0.04", "--steps", "2000", "--delta", "1e-5", "--accountant", "rdp", "--json"))
            .Json.GetProperty("noiseMultiplier").GetDouble(), 2e-4);

    [Fact]
    public async Task Text_says_what_the_number_means()
    {
        string text = (await Fedcore.SucceedAsync("privacy", "epsilon", "--noise-multiplier", "1", "--steps", "1", "--delta", "1e-5", "--population", "1000000")).Output;
        Assert.Contains("pld", text, StringComparison.Ordinal);
        Assert.Contains("98.76 % sure", text, StringComparison.Ordinal);
        Assert.Contains("Warning: delta is 1E-05, which is more than 1/1000000", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("distributed-discrete-gaussian", "--clients", "100", "--dimension", "200000")]
    [InlineData("tree", "--max-participations", "3", "--min-separation", "20")]
    [InlineData("gaussian", "--population", "10000", "--sample", "100")]
    public async Task Every_mechanism_has_a_bound_by_renyi_divergences(string mechanism, params string[] options)
    {
        JsonElement answer = (await Fedcore.SucceedAsync(["privacy", "epsilon", "--noise-multiplier", "3", "--steps", "50", "--delta", "1e-5", "--mechanism", mechanism, .. options, "--json"])).Json;
        Assert.InRange(answer.GetProperty("bounds").GetProperty("rdp").GetDouble(), 0.1, 20);
    }

    [Theory]
    [InlineData(3, "--delta is 0", "epsilon", "--noise-multiplier", "1", "--steps", "1", "--delta", "0")]
    [InlineData(3, "--delta is 1", "epsilon", "--noise-multiplier", "1", "--steps", "1", "--delta", "1")]
    [InlineData(3, "--noise-multiplier is 0", "epsilon", "--noise-multiplier", "0", "--steps", "1", "--delta", "1e-5")]
    [InlineData(3, "--sampling-rate is 1.5", "epsilon", "--noise-multiplier", "1", "--steps", "1", "--delta", "1e-5", "--sampling-rate", "1.5")]
    [InlineData(3, "--epsilon is -1", "noise", "--epsilon", "-1", "--steps", "1", "--delta", "1e-5")]
    [InlineData(2, "--steps is 0", "epsilon", "--noise-multiplier", "1", "--steps", "0", "--delta", "1e-5")]
    [InlineData(2, "--delta is 'tiny'", "epsilon", "--noise-multiplier", "1", "--steps", "1", "--delta", "tiny")]
    [InlineData(2, "--sample needs --population", "epsilon", "--noise-multiplier", "1", "--steps", "1", "--delta", "1e-5", "--sample", "10")]
    [InlineData(2, "--dimension", "epsilon", "--noise-multiplier", "1", "--steps", "1", "--delta", "1e-5", "--mechanism", "distributed-discrete-gaussian", "--clients", "10")]
    [InlineData(2, "Use the RDP accountant", "epsilon", "--noise-multiplier", "1", "--steps", "1", "--delta", "1e-5", "--accountant", "pld", "--population", "10", "--sample", "2")]
    public async Task What_is_out_of_range_is_refused_by_name(int code, string message, params string[] options)
    {
        Fedcore.Outcome outcome = await Fedcore.RunAsync(["privacy", .. options]);
        Assert.Equal(code, outcome.Code);
        Assert.Contains(message, outcome.Error, StringComparison.Ordinal);
    }
}
