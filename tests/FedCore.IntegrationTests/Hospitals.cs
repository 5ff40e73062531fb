using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using FedCore.Tests;

namespace FedCore.IntegrationTests;

/// <summary>The four hospitals of the heart-disease data as real clients, and a real aggregator. Each of them can be killed, and the line of the last one be cut.</summary>
public sealed class Hospitals : IAsyncLifetime
{
    /// <summary>The hospital at the end of a line of its own.</summary>
    public const string Far = "processed.va";

    /// <summary>Where their data lies.</summary>
    internal const string DataFolder = "data/heart_disease";

    /// <summary>What makes a run one whose updates the aggregator sees.</summary>
    internal static readonly string[] InTheClear = ["--set", "secureAggregation=null"];

    /// <summary>What makes a run's updates so large that they travel in many parts.</summary>
    internal static readonly string[] Large = [.. InTheClear, "--set", "rounds.count=2", "--set", "training.steps=20", "--set", """model.layers=[{"type":"linear","outputs":100000},{"type":"relu"},{"type":"linear","outputs":1}]"""];

    /// <summary>How many bytes such an update has: 13 inputs and a bias, and a weight of the output, for each of 100,000 units, and the output's bias, of 4 bytes each.</summary>
    internal const long LargeUpdate = 4 * ((13 + 1 + 1) * 100_000 + 1);

    private static readonly string[] Names = ["processed.cleveland", "processed.hungarian", "processed.switzerland", Far];

    private readonly TemporaryFolder _folder = new();
    private readonly Dictionary<string, Child> _clients = [];
    private readonly ConcurrentDictionary<string, Task<string>> _simulated = new();
    private readonly int _port = FreePort();
    private Child? _aggregator;

    /// <summary>What the hospital at the end of the line keeps for runs, a folder each.</summary>
    internal IEnumerable<string> StatesOfFar => Directory.EnumerateFileSystemEntries(_folder[$"data-{Far}/state"]);

    /// <summary>The hospitals' run.</summary>
    private static string RunFile { get; } = Path.Combine(SharedData.Repository, "examples", "heart-disease", "run.json");

    /// <summary>The line between the aggregator and <see cref="Far"/>.</summary>
    internal Line Line { get; private set; } = null!;

    /// <summary>The aggregator's process.</summary>
    internal Child Aggregator => _aggregator!;

    /// <summary>Where the aggregator keeps its data.</summary>
    internal string AggregatorFolder => Launcher.Length == 0 ? _folder["aggregator"] : $"/proc/{Aggregator.Id}/root{_folder["aggregator"]}";

    /// <summary>A program with arguments that starts the aggregator, with another view of the file system; empty for none.</summary>
    internal string[] Launcher { get; init; } = [];

    private static string Data => SharedData.Require(DataFolder);

    private string Address => $"http://127.0.0.1:{_port}";

    /// <summary>Starts all of them, where the data is there.</summary>
    public async ValueTask InitializeAsync()
    {
        Line = new Line(_port);
        if (!Directory.Exists(Path.Combine(SharedData.Repository, "..", "shared", DataFolder))) return;
        Directory.CreateDirectory(_folder["aggregator"]);
        await StartAsync();
        foreach (string name in Names)
        {
            _folder.File(name + ".token", await FedcoreAsync("site", "add", name));
            _folder.File(name + ".json", JsonSerializer.Serialize(new
            {
                client = new
                {
                    aggregator = name == Far ? Line.Address : Address,
                    tokenFile = name + ".token",
                    dataFolder = "data-" + name,
                    testFraction = 0.34,
                    data = new
                    {
                        type = "csv",
                        files = (string[])[Path.Combine(Data, name + ".data")],
                        columns = (string[])["age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak", "slope", "ca", "thal", "num"],
                    },
                },
            }));
            StartSite(name);
        }

        // Who has never been in touch gives up soon where nobody answers, as when a test kills the aggregator.
        foreach (string name in Names) await Site(name).WaitForAsync("Joined ");
    }

    public ValueTask DisposeAsync()
    {
        foreach (Child client in _clients.Values) client.Dispose();
        _aggregator?.Dispose();
        Line.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Starts the aggregator, in place of one that runs or has been killed.</summary>
    /// <param name="death">The kind and number of the event behind which it kills itself; empty for none.</param>
    public async Task StartAsync(params string[] death)
    {
        _aggregator?.Dispose();
        _aggregator = await Child.AggregatorAsync(_folder.Path, Address, death, Launcher);
    }

    /// <summary>Waits until the aggregator has killed itself.</summary>
    public Task DeathAsync() => Aggregator.EndAsync();

    /// <summary>Starts a hospital's client, in place of one that runs or has been killed.</summary>
    /// <param name="name">The hospital.</param>
    /// <param name="settings">Settings that are other than in its file.</param>
    internal Child StartSite(string name, params string[] settings)
    {
        if (_clients.TryGetValue(name, out Child? old)) old.Dispose();
        return _clients[name] = Child.Fedcore(_folder.Path, null, ["client", "--settings", name + ".json", .. settings.SelectMany(setting => (string[])["--set", setting])]);
    }

    /// <summary>The folder of a hospital's client.</summary>
    internal string FolderOf(string name) => _folder["data-" + name];

    /// <summary>A hospital's client.</summary>
    internal Child Site(string name) => _clients[name];

    /// <summary>The command that defines a run of the four hospitals.</summary>
    /// <param name="run">Its name.</param>
    /// <param name="changes">What is other than in the run file.</param>
    public static string[] Create(string run, params string[] changes) => ["run", "create", RunFile, "--name", run, "--sites", string.Join(',', Names), .. changes];

    /// <summary>Runs a command of a coordinator.</summary>
    public Task<string> FedcoreAsync(params string[] arguments) => Child.RunAsync(_folder.Path, Coordinator(), arguments);

    /// <summary>Starts a command of a coordinator that may outlast the aggregator.</summary>
    internal Child Begin(params string[] arguments) => Child.Fedcore(_folder.Path, Coordinator(), arguments);

    /// <summary>A run, as its coordinator sees it.</summary>
    public async Task<JsonElement> RunAsync(string run) =>
        (await FedcoreAsync("run", "list", "--json")).Split('\n').Select(line => JsonDocument.Parse(line).RootElement).Single(listed => listed.GetProperty("run").GetString() == run);

    /// <summary>The receipts of a run's rounds.</summary>
    public async Task<JsonElement[]> ReceiptsAsync(string run) => [.. (await FedcoreAsync("run", "receipt", run)).Split('\n').Select(line => JsonDocument.Parse(line).RootElement)];

    /// <summary>Watches a run to its end, and asks for the same bits as its simulation has, with every hospital's update in every round once.</summary>
    /// <param name="run">Its name.</param>
    /// <param name="changes">What is other than in the run file.</param>
    public async Task AssertLikeSimulationAsync(string run, params string[] changes)
    {
        string output = await FedcoreAsync("run", "watch", run, "--json");
        JsonElement[] receipts = await ReceiptsAsync(run);
        Assert.Equal(Enumerable.Range(1, receipts.Length), receipts.Select(receipt => receipt.GetProperty("round").GetInt32()));
        Assert.All(receipts, receipt =>
        {
            Assert.True(receipt.GetProperty("committed").GetBoolean() && receipt.GetProperty("contributors").GetInt32() == Names.Length, $"{receipt}\n{Site(Far).Output}");
            Assert.Equal(Names, receipt.GetProperty("clients").EnumerateArray().Select(client => client.GetProperty("client").GetString()).Order());
        });
        Assert.Equal(await _simulated.GetOrAdd(string.Join(' ', changes), _ => SimulateAsync(changes)), DigestIn(output));
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static string DigestIn(string output) => JsonDocument.Parse(output.Split('\n')[^1]).RootElement.GetProperty("modelDigest").GetString()!;

    private async Task<string> SimulateAsync(string[] changes) => DigestIn(await Child.RunAsync(_folder.Path, null, ["simulate", RunFile, "--data", Data, "--json", .. changes]));

    private Dictionary<string, string> Coordinator() => new() { ["FEDCORE_AGGREGATOR"] = Address, ["FEDCORE_TOKEN"] = File.ReadAllText(Path.Combine(AggregatorFolder, "coordinator.token")) };
}
