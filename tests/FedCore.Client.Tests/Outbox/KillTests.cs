using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using FedCore.Client.Tests.Fakes;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.Tests;

namespace FedCore.Client.Tests.Outbox;

/// <summary>Clients that are processes of their own, killed and stopped for real.</summary>
public sealed class KillTests : IDisposable
{
    private const int Sigterm = 15;

    private readonly TemporaryFolder _folder = new();
    private readonly List<int> _started = [];

    public void Dispose()
    {
        foreach (int id in _started)
        {
            try
            {
                using var process = Process.GetProcessById(id);
                process.Kill();
                process.WaitForExit();
            }
            catch (Exception fault) when (fault is ArgumentException or InvalidOperationException)
            {
                // It has ended.
            }
        }

        _folder.Dispose();
    }

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    public async Task An_upload_outlasts_the_kill_of_its_client_and_goes_on_where_the_aggregator_has_it(double share)
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using SmallRun run = Run(aggregator, hidden: 200_000);
        long killedAt = 0;
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        aggregator.OnChunk = async (upload, context) =>
        {
            if (reached.Task.IsCompleted || upload.Received < share * upload.Head.Length) return;
            killedAt = upload.Received;
            reached.SetResult();
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
        };
        TaskOffer task = run.Train(1);
        using (Process first = Start(aggregator))
        {
            Task<string> said = first.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await reached.Task.WaitAsync(TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken);
            first.Kill();
            await first.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Contains("training on", await said, StringComparison.Ordinal);
        }

        long kept = aggregator.Uploads[task.TaskId].Received;
        Assert.InRange(kept, killedAt, (long)(share * aggregator.Uploads[task.TaskId].Head.Length) + (1 << 20));
        using Process second = Start(aggregator);
        Task<string> saidLater = second.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        byte[] update = await aggregator.AcceptedAsync(task.TaskId);
        run.Plan.WireCodec.Check(update, 1);
        await EndAsync(second);
        Assert.DoesNotContain("training on", await saidLater, StringComparison.Ordinal);
        Assert.Equal((1, 2), (aggregator.Count("FindUpload"), aggregator.Count("Send")));
    }

    [Fact]
    public async Task A_client_that_is_killed_while_it_trains_trains_again()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        aggregator.Terms.LivenessSeconds = 1;

        // So many steps that it is killed within them.
        using SmallRun run = Run(aggregator, hidden: 2000, steps: 100_000);
        TaskOffer task = run.Train(1);
        using (Process first = Start(aggregator))
        {
            _ = first.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await aggregator.WaitForCallsAsync("ReportProgress", 2);
            first.Kill();
            await first.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        aggregator.Withdraw(task.TaskId);
        TaskOffer shorter = run.Train(1, offer => offer.Train.Steps = 3);
        using Process second = Start(aggregator);
        _ = second.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await aggregator.AcceptedAsync(shorter.TaskId);
        await EndAsync(second);
    }

    [Fact]
    public async Task On_sigterm_a_running_task_is_parked_when_its_time_is_over_and_the_exit_code_is_0()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        aggregator.Terms.LivenessSeconds = 1;
        using SmallRun run = Run(aggregator, hidden: 2000, steps: 100_000_000);
        run.Train(1);
        using Process client = Start(aggregator, "--set", "stopSeconds=1");
        Task<string> said = client.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await aggregator.WaitForCallsAsync("ReportProgress", 1);
        await EndAsync(client);
        Assert.Contains("parked", await said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_keeps_a_client_from_starting_is_a_message_and_an_exit_code()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        aggregator.OnCall = (_, _) => throw FakeAggregator.Fault(Grpc.Core.StatusCode.Unauthenticated, "auth.token", "The token is not known.");
        using SmallRun run = Run(aggregator, hidden: 4);
        using Process client = Start(aggregator);
        string said = await client.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await client.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(3, client.ExitCode);
        Assert.Contains("does not know this token", said, StringComparison.Ordinal);
    }

    // A run whose examples come from a table, as the program has no sources of a test's.
    private SmallRun Run(FakeAggregator aggregator, int hidden, int steps = 2)
    {
        string[] names = [.. Enumerable.Range(0, 6).Select(i => $"x{i}")];
        _folder.File("data.csv", string.Join('\n', [string.Join(',', [.. names, "y"]), .. Enumerable.Range(0, 20).Select(
            row => string.Join(',', [.. names.Select((_, column) => Math.Sin(row + column).ToString(CultureInfo.InvariantCulture)), $"{row % 2}"]))]));
        return new SmallRun(aggregator, hidden: hidden, change: definition => definition with
        {
            Data = new DataContract { Features = [.. names.Select(name => new Feature { Name = name })], Label = new Label { Name = "y" } },
            Training = definition.Training with { Epochs = null, Steps = steps },
        });
    }

    private Process Start(FakeAggregator aggregator, params string[] args)
    {
        string settings = _folder.File("site.json", $$"""
            { "client": { "aggregator": "{{aggregator.Address}}", "token": "north", "dataFolder": "kept", "data": { "type": "csv", "files": ["data.csv"] } } }
            """);
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string arg in (string[])[Path.Combine(AppContext.BaseDirectory, "FedCore.Client.Tests.Child.dll"), settings, .. args]) start.ArgumentList.Add(arg);
        Process process = Process.Start(start)!;
        _started.Add(process.Id);
        return process;
    }

    private static async Task EndAsync(Process process)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no SIGTERM.");
        Assert.Equal(0, Kill(process.Id, Sigterm));
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, process.ExitCode);
    }

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int process, int signal);
}
