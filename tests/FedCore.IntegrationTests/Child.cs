using System.Diagnostics;
using System.Text;

namespace FedCore.IntegrationTests;

/// <summary>A process of FedCore, which goes with the test.</summary>
internal sealed class Child : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly Process _process;
    private readonly StringBuilder _output = new(), _errors = new();
    private TaskCompletionSource _said = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private Child(string program, IEnumerable<string> arguments, string folder, IReadOnlyDictionary<string, string>? environment)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Take(_output, line.Data);
        _process.ErrorDataReceived += (_, line) => Take(_errors, line.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    public string Output
    {
        get
        {
            lock (_output) return _output.ToString();
        }
    }

    public string Errors
    {
        get
        {
            lock (_errors) return _errors.ToString();
        }
    }

    /// <summary>Starts the command.</summary>
    public static Child Fedcore(string folder, IReadOnlyDictionary<string, string>? environment, params string[] arguments) => new(PathOf("fedcore"), arguments, folder, environment);

    /// <summary>Starts an aggregator, and waits until it serves.</summary>
    /// <param name="folder">In which its data folder lies, <c>aggregator</c>.</param>
    /// <param name="address">Where it listens.</param>
    /// <param name="death">The kind and number of the event behind which it kills itself; empty for none.</param>
    /// <param name="launcher">A program with arguments that starts it; empty for none.</param>
    public static async Task<Child> AggregatorAsync(string folder, string address, string[] death, params string[] launcher)
    {
        string[] all = [.. launcher, PathOf("FedCore.IntegrationTests.Child"), "aggregator", address, .. death];
        var child = new Child(all[0], all[1..], folder, null);
        await Task.WhenAny(child.WaitForAsync("ready"), child.EndAsync());
        return child;
    }

    /// <summary>Runs the command to its end.</summary>
    /// <returns>What it printed.</returns>
    public static async Task<string> RunAsync(string folder, IReadOnlyDictionary<string, string>? environment, params string[] arguments)
    {
        using Child child = Fedcore(folder, environment, arguments);
        int code = await child.EndAsync();
        Assert.True(code == 0, $"fedcore {string.Join(' ', arguments)} ended with {code}: {child.Errors}");
        return child.Output.Trim();
    }

    /// <summary>Waits until it has printed something.</summary>
    /// <param name="text">What.</param>
    /// <param name="times">How often.</param>
    public async Task WaitForAsync(string text, int times = 1)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        while (true)
        {
            Task said = Volatile.Read(ref _said).Task;
            if (CountOf(text, Output) + CountOf(text, Errors) >= times) return;
            await said.WaitAsync(patience.Token);
        }
    }

    /// <summary>Waits until it has ended.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> EndAsync()
    {
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Patience, TestContext.Current.CancellationToken);
        return _process.ExitCode;
    }

    /// <summary>Asks it to end, as an operator does.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> TerminateAsync()
    {
        using Process kill = Process.Start("kill", ["-TERM", $"{Id}"]);
        return await EndAsync();
    }

    /// <summary>Kills it, as the loss of power would.</summary>
    public void Kill()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
    }

    public void Dispose()
    {
        Kill();
        _process.Dispose();
    }

    private static int CountOf(string text, string output) => output.Split(text).Length - 1;

    private static string PathOf(string program) => Path.Combine(AppContext.BaseDirectory, program + (OperatingSystem.IsWindows() ? ".exe" : ""));

    private void Take(StringBuilder lines, string? line)
    {
        if (line is null) return;
        lock (lines) lines.AppendLine(line);
        Interlocked.Exchange(ref _said, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
    }
}
