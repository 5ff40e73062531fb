using System.Diagnostics.Metrics;
using FedCore.Cli;
using FedCore.Hosting.Telemetry;

namespace FedCore.Benchmarks.Service;

/// <summary><c>fedcore aggregator</c> in a process of its own, which says how often it has made something durable whenever it is sent a line.</summary>
internal static class AggregatorRole
{
    /// <summary>What this process is started with, before the command's own arguments.</summary>
    public const string Argument = "--as-aggregator";

    public static Task<int> RunAsync(string[] arguments)
    {
        long syncs = 0;
        var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == FedCoreTelemetry.Name && instrument.Name == "fedcore.disk.syncs") listener.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((_, value, _, _) => syncs = value);
        listener.Start();
        new Thread(() =>
        {
            while (Console.In.ReadLine() is not null)
            {
                listener.RecordObservableInstruments();
                Console.Out.WriteLine($"syncs {syncs}");
            }

            // Whoever started this process is gone.
            Environment.Exit(0);
        })
        { IsBackground = true }.Start();
        return CommandLine.RunAsync(["aggregator", .. arguments], Console.Out, TextWriter.Null);
    }
}
