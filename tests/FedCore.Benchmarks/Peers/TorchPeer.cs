using System.Diagnostics;
using System.Globalization;
using System.Runtime.Intrinsics;
using System.Text.Json;
using FedCore.Benchmarks.Suites;

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
    /// <param name="images">Where it finds MNIST, or null.</param>
    /// <exception cref="InvalidOperationException">There is no PyTorch with OpenBLAS here.</exception>
    public static TorchPeer Start(MnistImages? images)
    {
        string script = Path.Combine(AppContext.BaseDirectory, "Peers", "torch_peer.py");
        string python = Environment.GetEnvironmentVariable("FEDCORE_TORCH_PYTHON") ?? "/usr/bin/python3";
        var start = new ProcessStartInfo(python, [script, .. images?.Paths ?? []]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["OMP_NUM_THREADS"] = "1";
        start.Environment["OPENBLAS_NUM_THREADS"] = "1";

        // OpenBLAS does not know every processor; where it would fall back to AVX2 it is told that there is AVX-512, so that the peer is at its best.
        // Without AVX-512 here, the peer goes without it too.
        if (Vector512.IsHardwareAccelerated)
        {
            start.Environment["OPENBLAS_CORETYPE"] = "SKYLAKEX";
        }
        else
        {
            start.Environment["OPENBLAS_CORETYPE"] = "HASWELL";
            start.Environment["ATEN_CPU_CAPABILITY"] = "avx2";
            start.Environment["ONEDNN_MAX_CPU_ISA"] = "AVX2";
            start.Environment["DNNL_MAX_CPU_ISA"] = "AVX2";
        }

        Process process = Process.Start(start)!;
        string? hello = process.StandardOutput.ReadLine();
        if (hello is null)
        {
            throw new InvalidOperationException(
                $"{python} has no PyTorch with OpenBLAS. On Debian: apt-get install python3-torch libopenblas0-pthread. {process.StandardError.ReadToEnd()}");
        }

        using JsonDocument about = JsonDocument.Parse(hello);
        string Say(string name) => about.RootElement.GetProperty(name).GetString()!;
        return new TorchPeer(process, $"PyTorch {Say("torch")}, OpenBLAS {Say("openblas")}");
    }

    /// <summary>Steps per second over the given time.</summary>
    public double Rate(string name, string inputs, int batch, double seconds)
    {
        _process.StandardInput.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name} {inputs} {batch} {seconds}"));
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
