using System.Collections.Concurrent;
using System.Diagnostics;

namespace FedCore.Protocol.Tests.Peers;

/// <summary>A peer in another language, as a process of its own that ends with the test.</summary>
internal sealed class PeerProcess : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> _errors = [];
    private readonly Process _process;

    public PeerProcess(IEnumerable<string> command)
    {
        string[] parts = [.. command];
        _process = Process.Start(new ProcessStartInfo(parts[0], parts[1..])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        _process.ErrorDataReceived += (_, line) => _errors.Enqueue(line.Data ?? "");
        _process.BeginErrorReadLine();
    }

    /// <summary>What it said on its standard error.</summary>
    public string Errors => string.Join('\n', _errors);

    /// <summary>The next line of its output.</summary>
    public async Task<string> ReadLineAsync() =>
        await _process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Within.Patience, TestContext.Current.CancellationToken)
            ?? throw new InvalidOperationException($"{_process.StartInfo.FileName} ended: {Errors}");

    /// <summary>All lines of its output, to its end.</summary>
    public async Task<string[]> ReadToEndAsync()
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(3 * Within.Patience);
        return (await _process.StandardOutput.ReadToEndAsync(patience.Token)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    public void Kill() => _process.Kill(entireProcessTree: true);

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
