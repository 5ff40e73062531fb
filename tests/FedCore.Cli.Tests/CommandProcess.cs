using System.Diagnostics;

namespace FedCore.Cli.Tests;

/// <summary>The command as a process of its own.</summary>
internal static class CommandProcess
{
    /// <summary>Starts it.</summary>
    /// <param name="folder">The folder that it works in.</param>
    /// <param name="args">Its arguments.</param>
    public static Process Start(string folder, params string[] args)
    {
        // A shell starts what runs in its background with SIGINT ignored, which processes inherit; a child of such a test must hear it.
        bool resets = OperatingSystem.IsLinux();
        var start = new ProcessStartInfo(resets ? "env" : "dotnet") { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string arg in resets ? (string[])["--default-signal=INT", "dotnet"] : []) start.ArgumentList.Add(arg);
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "fedcore.dll"));
        foreach (string arg in args) start.ArgumentList.Add(arg);
        return Process.Start(start)!;
    }

    /// <summary>Runs it to its end.</summary>
    public static async Task<Fedcore.Outcome> RunAsync(string folder, params string[] args)
    {
        using Process process = Start(folder, args);
        return await EndAsync(process);
    }

    /// <summary>Waits for its end.</summary>
    public static async Task<Fedcore.Outcome> EndAsync(Process process)
    {
        CancellationToken ct = TestContext.Current.CancellationToken;
        Task<string> output = process.StandardOutput.ReadToEndAsync(ct), error = process.StandardError.ReadToEndAsync(ct);
        await process.WaitForExitAsync(ct);
        return new Fedcore.Outcome(process.ExitCode, await output, await error);
    }
}
