using System.Diagnostics;
using System.Globalization;
using System.Threading.Channels;

namespace FedCore.Benchmarks.Service;

/// <summary>A process of the benchmark's own in another role. The two talk in lines.</summary>
internal sealed class ChildProcess : IDisposable
{
    private readonly Process _process;
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();

    public ChildProcess(params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardInput = true, RedirectStandardOutput = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "FedCore.Benchmarks.dll"));
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) =>
        {
            if (line.Data is { } text) _lines.Writer.TryWrite(text);
            else _lines.Writer.TryComplete();
        };
        _process.BeginOutputReadLine();
    }

    /// <summary>Processor time that it has used, in user mode and for it in the kernel, in milliseconds; the clock ticks every 10.</summary>
    public double CpuMilliseconds
    {
        get
        {
            // Behind the name, which may hold anything but a closing parenthesis at its end: the state is the third field, times are the 14th and 15th.
            string[] fields = File.ReadAllText($"/proc/{_process.Id}/stat").Split(')')[^1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            return 10 * (double.Parse(fields[11], CultureInfo.InvariantCulture) + double.Parse(fields[12], CultureInfo.InvariantCulture));
        }
    }

    /// <summary>Memory that is its own and no file's, in megabytes of 2^20 bytes.</summary>
    public double AnonymousMb
    {
        get
        {
            string line = File.ReadLines($"/proc/{_process.Id}/status").Single(line => line.StartsWith("RssAnon:", StringComparison.Ordinal));
            return double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) / 1024;
        }
    }

    public void Send(string line) => _process.StandardInput.WriteLine(line);

    /// <summary>What stands behind a word at the beginning of the next line that begins with it; lines before are passed over.</summary>
    public async Task<string> ReadAsync(string word)
    {
        await foreach (string line in _lines.Reader.ReadAllAsync())
        {
            if (line.StartsWith(word, StringComparison.Ordinal)) return line[word.Length..].Trim();
            if (line.StartsWith("failed", StringComparison.Ordinal)) throw FedCoreException.RunFailed("benchmark.child", line);
        }

        throw FedCoreException.RunFailed("benchmark.child", $"A process of the benchmark ended before it said '{word}'.");
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
