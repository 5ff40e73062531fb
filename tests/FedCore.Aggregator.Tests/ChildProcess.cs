using System.Diagnostics;

namespace FedCore.Aggregator.Tests;

/// <summary>A process that writes until it is killed, and what it said to be kept until then.</summary>
internal static class ChildProcess
{
    /// <summary>Lets a child acknowledge some writes, kills it at once, and reads on to the end of what it said.</summary>
    public static async Task<List<string>> KillAfterAsync(int lines, params string[] args)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string arg in (string[])[Path.Combine(AppContext.BaseDirectory, "FedCore.Aggregator.Tests.Child.dll"), .. args]) start.ArgumentList.Add(arg);
        using Process process = Process.Start(start)!;
        try
        {
            Task<string> errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            var said = new List<string>();
            while (await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken) is { } line)
            {
                // What is said later than the kill was acknowledged before it all the same.
                said.Add(line);
                if (said.Count == lines) process.Kill();
            }

            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.True(said.Count >= lines, $"The child ended before it was killed: {await errors}");
            return said;
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }
}
