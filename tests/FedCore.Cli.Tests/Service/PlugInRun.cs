using System.Net.Http.Headers;
using FedCore.Aggregator.Hosting;
using FedCore.Client;
using FedCore.Tests;

namespace FedCore.Cli.Tests.Service;

/// <summary>
/// A run that was held by an aggregator and two clients in this process, as their commands hold it, with a strategy and data of the sample plug-in, and a collector that
/// all three report to.
/// </summary>
public sealed class PlugInRun : IAsyncLifetime
{
    private const string RunFile = """
        {
          "name": "fever", "model": { "input": [1], "layers": [{ "type": "linear", "outputs": 2 }], "loss": { "type": "softmaxCrossEntropy" } },
          "strategy": { "type": "halfSteps", "part": 0.5 }, "training": { "steps": 2, "batchSize": 0, "learningRate": 0.1 }, "rounds": { "count": 2 }
        }
        """;

    internal const int Rounds = 2, Sites = 2;

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    internal static string PlugIn { get; } = Path.Combine(
        SharedData.Repository, "tests", "FedCore.PlugIn.Sample", "bin", AppContext.BaseDirectory.Contains("Debug", StringComparison.Ordinal) ? "Debug" : "Release", "net10.0", "FedCore.PlugIn.Sample.dll");

    internal Fedcore.Outcome Outcome { get; private set; } = null!;

    internal string Metrics { get; private set; } = "";

    internal MediaTypeHeaderValue MetricsType { get; private set; } = null!;

    internal Collector Collector { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        using var folder = new TemporaryFolder();
        Collector = await Collector.StartAsync();
        using var stopClients = new CancellationTokenSource(Limit);
        using var stopAggregator = new CancellationTokenSource(Limit);
        var serving = new FirstLine();
        string[] common = ["otlp=" + Collector.Address, $"plugIns=[{{\"path\":\"{PlugIn.Replace('\\', '/')}\"}}]"];
        Task<int> aggregator = AggregatorHost.RunAsync(
            null, [.. common, "dataFolder=" + folder["aggregator"], "listen=[\"http://127.0.0.1:0\"]"], serving, TextWriter.Null, stopAggregator.Token);
        await Task.WhenAny(aggregator, serving.Written);
        if (aggregator.IsCompleted) await aggregator;
        string[] addresses = [.. (await serving.Written).Split(' ').Where(word => word.StartsWith("http", StringComparison.Ordinal)).Select(word => word.TrimEnd(',', '.'))];
        string[] admin = ["--aggregator", addresses[0], "--token-file", Path.Combine(folder["aggregator"], "coordinator.token")];
        var clients = new List<Task<int>>();
        foreach (string site in Enumerable.Range(1, Sites).Select(number => $"site-{number}"))
        {
            string token = (await Fedcore.SucceedAsync(["site", "add", site, "--json", .. admin])).Json.GetProperty("token").GetString()!;
            clients.Add(ClientHost.RunAsync(
                null,
                [.. common, "dataFolder=" + folder[site], "aggregator=" + addresses[0], "token=" + token, "data={\"type\":\"fever\",\"fahrenheit\":[98.6,104,99,96.8,105,97,98,103,102,97]}"],
                TextWriter.Null, stopClients.Token));
        }

        Outcome = await Fedcore.RunAsync(["run", "create", folder.File("run.json", RunFile), "--watch", "--json", "--plug-in", PlugIn, .. admin]);
        using (var http = new HttpClient())
        {
            using HttpResponseMessage response = await http.GetAsync(new Uri($"{addresses[0]}/metrics"));
            (Metrics, MetricsType) = (await response.EnsureSuccessStatusCode().Content.ReadAsStringAsync(), response.Content.Headers.ContentType!);
        }

        // What is left is sent when they stop; the clients say by then what they have sent to the aggregator.
        await stopClients.CancelAsync();
        await Task.WhenAll(clients);
        await stopAggregator.CancelAsync();
        await aggregator;
    }

    public ValueTask DisposeAsync() => Collector.DisposeAsync();

    /// <summary>A text of which the first line is waited for.</summary>
    private sealed class FirstLine : StringWriter
    {
        private readonly TaskCompletionSource<string> _line = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<string> Written => _line.Task;

        public override Task WriteLineAsync(string? value)
        {
            _line.TrySetResult(value ?? "");
            return Task.CompletedTask;
        }
    }
}
