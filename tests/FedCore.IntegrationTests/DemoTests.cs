using System.Text.Json;
using FedCore.Tests;

namespace FedCore.IntegrationTests;

/// <summary>The demo, with the data of the hospitals and without.</summary>
public sealed class DemoTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(true, "cleveland")]
    [InlineData(false, "north")]
    public async Task Four_processes_and_an_aggregator_end_with_the_bits_of_the_simulation_and_a_report(bool hasData, string hospital)
    {
        Directory.CreateDirectory(_folder["datasets"]);
        if (hasData) Directory.CreateSymbolicLink(_folder["datasets/heart-disease"], SharedData.Require("data/heart_disease"));
        var environment = new Dictionary<string, string> { ["FEDCORE_DATA"] = _folder["datasets"] };
        string[] lines = (await Child.RunAsync(_folder.Path, environment, "demo", "--json", "--set", "rounds.count=3")).Split('\n');
        JsonElement result = JsonDocument.Parse(lines[^1]).RootElement;
        Assert.True(result.GetProperty("sameAsSimulation").GetBoolean());
        Assert.Equal(3, lines.Length - 1);
        Assert.All(lines[..^1], line => Assert.Contains($"\"client\":\"{hospital}\",\"outcome\":\"reported\"", line, StringComparison.Ordinal));
        Assert.Contains(hospital, await File.ReadAllTextAsync(result.GetProperty("report").GetString()!, TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_that_is_not_a_demos_is_left_as_it_is()
    {
        Directory.CreateDirectory(_folder["own"]);
        string file = _folder.File("own/letter.txt", "kept");
        using Child demo = Child.Fedcore(_folder.Path, null, "demo", "--out", "own");
        Assert.Equal(3, await demo.EndAsync());
        Assert.Contains("Choose an empty folder", demo.Errors, StringComparison.Ordinal);
        Assert.Equal("kept", await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
    }
}
