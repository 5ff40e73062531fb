using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace FedCore.Benchmarks.Suites;

/// <summary>What registered clients cost who are not chosen: peak memory with a million of them minus that with a thousand, in processes of their own.</summary>
internal static class PopulationSuite
{
    public static void Run(Figures figures)
    {
        double few = PeakMb(1_000), many = PeakMb(1_000_000);
        figures.Report("population", "million_clients_extra_mb", many - few, "MB", new { thousandMb = few, millionMb = many });
    }

    private static double PeakMb(long clients)
    {
        string run = Path.Combine(AppContext.BaseDirectory, "Suites", "population.json");
        string cli = Path.Combine(AppContext.BaseDirectory, "fedcore.dll");
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true };
        foreach (string argument in (string[])[cli, "simulate", run, "--json", "--set", string.Create(CultureInfo.InvariantCulture, $"simulation.clients.clients={clients}")])
            start.ArgumentList.Add(argument);
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        using JsonDocument json = JsonDocument.Parse(output.TrimEnd().Split('\n')[^1]);
        return json.RootElement.GetProperty("peakMemoryMb").GetDouble();
    }
}
