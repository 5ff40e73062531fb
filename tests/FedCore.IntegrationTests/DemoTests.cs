using System.Diagnostics;
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
    public async Task The_processes_of_a_demo_that_was_killed_end_too()
    {
        using Child demo = Child.Fedcore(_folder.Path, null, "demo", "--set", "rounds.count=10000");
        await demo.WaitForAsync("of 4 clients");
        int[] processes = ChildrenOf(demo.Id);
        Assert.Equal(5, processes.Length);
        using (Process itself = Process.GetProcessById(demo.Id)) itself.Kill();
        await demo.EndAsync();
        var patience = Stopwatch.StartNew();
        while (processes.Any(IsRunning))
        {
            Assert.True(patience.Elapsed < TimeSpan.FromMinutes(1), "Processes of the demo go on without it.");
            await Task.Delay(100, TestContext.Current.CancellationToken);
        }
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

    private static int[] ChildrenOf(int process) =>
        [.. Directory.EnumerateDirectories($"/proc/{process}/task").SelectMany(thread => File.ReadAllText(thread + "/children").Split(' ', StringSplitOptions.RemoveEmptyEntries)).Select(int.Parse)];

    // One that has ended may still be listed until somebody has asked for its exit code.
    private static bool IsRunning(int process)
    {
        try
        {
            return !File.ReadAllText($"/proc/{process}/stat").Contains(") Z ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }
}
