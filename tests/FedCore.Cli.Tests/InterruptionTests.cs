using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using FedCore.Tests;

namespace FedCore.Cli.Tests;

/// <summary>Real processes that are stopped and killed, and go on.</summary>
public partial class InterruptionTests
{
    private static readonly string[] Run = ["simulate", Fedcore.Hospitals, "--set", "rounds.count=4000", "--set", "evaluation.every=500", "--checkpoint-seconds", "0.05", "--json"];

    [Theory]
    [InlineData(9, 137)] // SIGKILL: nothing of the process is asked.
    [InlineData(2, 130)] // SIGINT: what Ctrl-C sends.
    public async Task Run_that_is_stopped_and_resumed_ends_with_the_same_model(int signal, int code)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals are those of Unix.");
        using var undisturbed = new TemporaryFolder();
        using var folder = new TemporaryFolder();
        string expected = (await Fedcore.SucceedAsync([.. Run, "--out", undisturbed.Path])).ModelDigest;

        using Process process = CommandProcess.Start(Environment.CurrentDirectory, [.. Run, "--out", folder.Path]);
        await CheckpointAsync(folder.Path, process);
        Assert.Equal(0, Kill(process.Id, signal));
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(code, process.ExitCode);
        Assert.False(File.Exists(Path.Combine(folder.Path, "model.safetensors")));

        Fedcore.Outcome refused = await Fedcore.RunAsync([.. Run, "--out", folder.Path]);
        Assert.Equal(3, refused.Code);
        Assert.Contains("--resume", refused.Error);

        Assert.Equal(expected, (await Fedcore.SucceedAsync([.. Run, "--out", folder.Path, "--resume"])).ModelDigest);
        foreach (string file in (string[])["metrics.jsonl", "receipts.jsonl", "report.html", "run.json"])
        {
            Assert.Equal(
                await File.ReadAllTextAsync(Path.Combine(undisturbed.Path, file), TestContext.Current.CancellationToken),
                await File.ReadAllTextAsync(Path.Combine(folder.Path, file), TestContext.Current.CancellationToken));
        }
    }

    [Fact]
    public async Task Run_that_was_changed_is_not_resumed()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals are those of Unix.");
        using var folder = new TemporaryFolder();
        using Process process = CommandProcess.Start(Environment.CurrentDirectory, [.. Run, "--out", folder.Path]);
        await CheckpointAsync(folder.Path, process);
        process.Kill();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        Fedcore.Outcome outcome = await Fedcore.RunAsync([.. Run, "--out", folder.Path, "--resume", "--set", "training.learningRate=0.01"]);
        Assert.Equal(3, outcome.Code);
        Assert.Contains("its definition is now", outcome.Error);
        Assert.Equal(0, (await Fedcore.RunAsync([.. Run, "--out", folder.Path, "--restart", "--set", "rounds.count=1"])).Code);
    }

    // One label of 569 is another: the file has the same name, the run the same hash.
    [Fact]
    public async Task Run_whose_data_were_changed_is_not_resumed()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals are those of Unix.");
        using var folder = new TemporaryFolder();
        const string table = "breast_cancer.csv";
        string original = Directory.EnumerateFiles(Path.GetDirectoryName(Fedcore.Hospitals)!, table, SearchOption.AllDirectories).Single();
        string text = await File.ReadAllTextAsync(original, TestContext.Current.CancellationToken);
        string data = Path.Combine(folder.Path, "data"), copy = Path.Combine(data, Path.GetRelativePath(Path.GetDirectoryName(Fedcore.Hospitals)!, original));
        Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
        await File.WriteAllTextAsync(copy, text, TestContext.Current.CancellationToken);
        string[] run = [.. Run, "--data", data, "--out", Path.Combine(folder.Path, "out")];
        using Process process = CommandProcess.Start(Environment.CurrentDirectory, run);
        await CheckpointAsync(Path.Combine(folder.Path, "out"), process);
        process.Kill();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        int label = text.LastIndexOf("benign", StringComparison.Ordinal);
        await File.WriteAllTextAsync(copy, text[..label] + "malignant" + text[(label + 6)..], TestContext.Current.CancellationToken);
        Fedcore.Outcome outcome = await Fedcore.RunAsync([.. run, "--resume"]);
        Assert.Equal(3, outcome.Code);
        Assert.Contains("other data", outcome.Error);
        await File.WriteAllTextAsync(copy, text, TestContext.Current.CancellationToken);
        await Fedcore.SucceedAsync([.. run, "--resume"]);
    }

    // An aggregator that never answers.
    [Theory]
    [InlineData(2)]
    [InlineData(15)]
    public async Task A_call_that_is_stopped_is_interrupted(int signal)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals are those of Unix.");
        using var folder = new TemporaryFolder();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using Process process = CommandProcess.Start(folder.Path, "run", "list", "--aggregator", $"http://{listener.LocalEndpoint}", "--token-file", folder.File("token", "secret"));
        using TcpClient connection = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
        Assert.True(await connection.GetStream().ReadAsync(new byte[100], TestContext.Current.CancellationToken) > 0);
        Assert.Equal(0, Kill(process.Id, signal));
        Fedcore.Outcome outcome = await CommandProcess.EndAsync(process);
        Assert.Equal((130, "fedcore: interrupted."), (outcome.Code, outcome.Error.Trim()));
    }

    // The run is stopped in the middle: a checkpoint is there, and the results are not.
    private static async Task CheckpointAsync(string folder, Process process)
    {
        string working = Path.Combine(folder, ".run");
        while (!Directory.Exists(working) || !Directory.EnumerateFiles(working, "checkpoint-*.safetensors").Any())
        {
            Assert.False(process.HasExited, "The run ended before it could be stopped.");
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
