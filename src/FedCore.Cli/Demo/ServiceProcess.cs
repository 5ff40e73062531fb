using System.Diagnostics;

namespace FedCore.Cli.Demo;

/// <summary>This command as a process of its own, whose log goes to a file. It goes with the demo.</summary>
internal sealed class ServiceProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly string _log, _marker;
    private readonly StreamWriter _writer;
    private readonly Task _copying;
    private readonly TaskCompletionSource<string> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ServiceProcess(Process process, string log, string marker)
    {
        (_process, _log, _marker) = (process, log, marker);
        _writer = new StreamWriter(log) { AutoFlush = true };
        _copying = Task.WhenAll(CopyAsync(process.StandardOutput), CopyAsync(process.StandardError));
        Ended = EndAsync();
    }

    /// <summary>Ends when the process has, with what it said last.</summary>
    public Task<FedCoreException> Ended { get; }

    /// <summary>Starts the command.</summary>
    /// <param name="folder">The folder that it works in.</param>
    /// <param name="log">The file for its log.</param>
    /// <param name="marker">What it says when it is ready.</param>
    /// <param name="arguments">Its arguments.</param>
    public static ServiceProcess Start(string folder, string log, string marker, params string[] arguments)
    {
        string program = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "fedcore.exe" : "fedcore");
        (string file, string[] all) = File.Exists(program) ? (program, arguments) : ("dotnet", [Path.Combine(AppContext.BaseDirectory, "fedcore.dll"), .. arguments]);
        var start = new ProcessStartInfo(file, all)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { [ParentProcess.Variable] = "1" },
        };
        return new ServiceProcess(Process.Start(start)!, log, marker);
    }

    /// <summary>Waits until it is ready.</summary>
    /// <returns>The line that says so.</returns>
    /// <exception cref="FedCoreException">It has ended instead.</exception>
    public async Task<string> ReadyAsync(CancellationToken ct)
    {
        if (await Task.WhenAny(_ready.Task, Ended).WaitAsync(ct) == _ready.Task) return await _ready.Task;

        // A terminal's Ctrl-C ends all processes of the demo, in whichever order.
        ct.ThrowIfCancellationRequested();
        throw await Ended;
    }

    /// <summary>Ends it. What it keeps outlasts that.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        await Ended;
        await _writer.DisposeAsync();
        _process.Dispose();
    }

    private async Task<FedCoreException> EndAsync()
    {
        await _process.WaitForExitAsync();
        await _copying;
        string last = (await File.ReadAllLinesAsync(_log)).LastOrDefault() ?? "it said nothing";
        return FedCoreException.RunFailed("demo.process", $"A process of the demo has ended with exit code {_process.ExitCode}: {last} Its log is {_log}.");
    }

    private async Task CopyAsync(StreamReader from)
    {
        while (await from.ReadLineAsync() is { } line)
        {
            lock (_writer) _writer.WriteLine(line);
            if (line.Contains(_marker, StringComparison.Ordinal)) _ready.TrySetResult(line);
        }
    }
}
