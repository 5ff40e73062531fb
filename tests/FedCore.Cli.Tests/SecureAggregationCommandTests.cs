using System.Text.Json;

namespace FedCore.Cli.Tests;

public class SecureAggregationCommandTests
{
    // The row of the published table for 1,000 clients, 5 % of them the adversary's and 33 % lost, and an aggregator that reads along.
    [Fact]
    public async Task Parameters_are_those_of_the_published_table()
    {
        Fedcore.Outcome outcome = await Fedcore.SucceedAsync("secagg", "parameters", "--clients", "1000", "--adversarial-rate", "0.05", "--dropout-rate", "0.33", "--adversary", "curious", "--json");
        Assert.Equal("""{"feasible":true,"degree":72,"threshold":24}""", outcome.Output.TrimEnd());
    }

    [Fact]
    public async Task For_few_clients_it_says_what_a_run_uses()
    {
        string text = (await Fedcore.SucceedAsync("secagg", "parameters", "--clients", "10", "--dropout-rate", "0.1")).Output;
        Assert.Contains("A run uses the complete graph: degree 9, threshold 7", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_an_adversary_nobody_is_his() =>
        Assert.Equal(38, (await Fedcore.SucceedAsync("secagg", "parameters", "--clients", "1000", "--dropout-rate", "0.33", "--adversary", "none", "--json")).Json.GetProperty("degree").GetInt32());

    [Fact]
    public async Task What_cannot_be_withstood_is_not_feasible_and_says_why()
    {
        string[] asked = ["secagg", "parameters", "--clients", "1000", "--adversarial-rate", "0.5", "--dropout-rate", "0.5"];
        Fedcore.Outcome json = await Fedcore.RunAsync([.. asked, "--json"]), text = await Fedcore.RunAsync(asked);
        Assert.Equal((3, 3), (json.Code, text.Code));
        Assert.False(json.Json.GetProperty("feasible").GetBoolean());
        Assert.Contains("Lower a rate", json.Json.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Contains("Lower a rate", text.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_rehearsed_session_is_exact_and_cheap_on_the_wire()
    {
        JsonElement result = (await Fedcore.SucceedAsync("secagg", "bench", "--clients", "12", "--length", "10000", "--dropouts", "2", "--bits", "21", "--json")).Json;
        Assert.True(result.GetProperty("exact").GetBoolean());
        Assert.Equal((11, 9), (result.GetProperty("degree").GetInt32(), result.GetProperty("threshold").GetInt32()));
        Assert.Equal(26_250, result.GetProperty("vectorBytes").GetInt64()); // 10,000 numbers of 21 bits.
        Assert.InRange(result.GetProperty("bytesUpPerNeighbour").GetDouble(), 88, 300);
    }

    [Fact]
    public async Task A_rehearsal_shows_what_each_stage_takes()
    {
        string text = (await Fedcore.SucceedAsync("secagg", "bench", "--clients", "5", "--length", "100")).Output;
        Assert.All((string[])["advertise", "share", "mask", "confirm", "unmask", "recovery", "all"], stage => Assert.Contains(stage, text, StringComparison.Ordinal));
        Assert.Contains("The sum is exactly that of those who stayed.", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, "--clients is 'x'", "bench", "--clients", "x", "--length", "5")]
    [InlineData(2, "--length is 0", "bench", "--clients", "5", "--length", "0")]
    [InlineData(2, "--bits is 33", "bench", "--clients", "5", "--length", "5", "--bits", "33")]
    [InlineData(2, "--adversarial-rate is 'half'", "parameters", "--clients", "5", "--adversarial-rate", "half")]
    [InlineData(2, "'evil' not recognized", "parameters", "--clients", "5", "--adversary", "evil")]
    [InlineData(2, "'--clients' is required", "parameters")]
    [InlineData(3, "at least two must stay", "bench", "--clients", "5", "--length", "5", "--dropouts", "4")]
    [InlineData(3, "4 of 5 clients must stay", "bench", "--clients", "5", "--length", "5", "--dropouts", "2")]
    [InlineData(3, "the smallest that fits has 6", "bench", "--clients", "9", "--length", "5", "--bits", "5")]
    public async Task What_is_mistyped_or_cannot_be_is_said(int code, string message, params string[] args)
    {
        Fedcore.Outcome outcome = await Fedcore.RunAsync(["secagg", .. args]);
        Assert.Equal(code, outcome.Code);
        Assert.Contains(message, outcome.Error, StringComparison.OrdinalIgnoreCase);
    }
}
