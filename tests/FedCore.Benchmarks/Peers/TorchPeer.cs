using System.Diagnostics;
using System.Globalization;
using System.Runtime.Intrinsics;
using System.Text.Json;

namespace FedCore.Benchmarks.Peers;

/// <summary>PyTorch in a process of its own, asked for the speed of the same steps.</summary>
internal sealed class TorchPeer : IDisposable
{
    private readonly Process _process;

    private TorchPeer(Process process, string about)
    {
        _process = process;
        About = about;
    }

    /// <summary>Version and matrix library.</summary>
    public string About { get; }

    /// <summary>Starts the peer.</summary>
    /// <exception cref="InvalidOperationException">There is no PyTorch here.</exception>
    public static TorchPeer Start()
    {
        string script = Path.Combine(AppContext.BaseDirectory, "Peers", "torch_peer.py");
        string python = Environment.GetEnvironmentVariable("FEDCORE_TORCH_PYTHON") ?? "/usr/bin/python3";
        var start = new ProcessStartInfo(python, [script]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["OMP_NUM_THREADS"] = "1";
        start.Environment["OPENBLAS_NUM_THREADS"] = "1";

        // OpenBLAS does not know every processor; where it would fall back to AVX2 it is told that there is AVX-512, so that the peer is at its best.
        if (Vector512.IsHardwareAccelerated) start.Environment["OPENBLAS_CORETYPE"] = "SKYLAKEX";
        Process process = Process.Start(start)!;
        string? hello = process.StandardOutput.ReadLine();
        if (hello is null)
        {
            throw new InvalidOperationException(
                $"{python} has no PyTorch. On Debian: apt-get install python3-torch libopenblas0-pthread. {process.StandardError.ReadToEnd()}");
        }

        return new TorchPeer(process, hello);
    }

    /// <summary>Steps per second over the given time.</summary>
    public double Rate(string name, int batch, double seconds)
    {
        _process.StandardInput.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name} {batch} {seconds}"));
        _process.StandardInput.Flush();
        string answer = _process.StandardOutput.ReadLine() ?? throw new InvalidOperationException(_process.StandardError.ReadToEnd());
        using JsonDocument json = JsonDocument.Parse(answer);
        return json.RootElement.GetProperty("rate").GetDouble();
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }
}
