using FedCore.Aggregator.Hosting;
using FedCore.Aggregator.Settings;
using FedCore.Naming;
using FedCore.Protocol.Connections;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using FedCore.Tests;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>An aggregator in the test's process, on a real socket, with its coordinator.</summary>
internal sealed class TestAggregator : IAsyncDisposable
{
    /// <summary>Nothing is waited for longer.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly TemporaryFolder _folder = new();
    private readonly AggregatorSettings _settings;
    private Registry _names;
    private AggregatorServer? _server;
    private GrpcChannel? _channel;

    private TestAggregator(AggregatorSettings settings, Registry names) => (_settings, _names) = (settings with { DataFolder = _folder.Path }, names);

    public ShiftedClock Clock { get; } = new();

    public TestDisk Disk { get; } = new();

    public FaultyLog Journal { get; private set; } = null!;

    public ErrorLog Log { get; } = new();

    public Uri Address => new(_server!.Addresses[0]);

    /// <summary>Another one, where its settings name several.</summary>
    public Uri LastAddress => new(_server!.Addresses[^1]);

    public string CoordinatorToken => File.ReadAllText(_folder["coordinator.token"]).Trim();

    /// <summary>Where calls go.</summary>
    public CallInvoker Invoker => _channel!.CreateCallInvoker();

    public Admin.AdminClient Admin => new(Invoker);

    public BlobsClient Blobs => new(Invoker);

    /// <summary>The files of the store, also of what is not there to its end.</summary>
    public string[] StoredFiles => [.. Directory.GetFiles(_folder["blobs"], "*", SearchOption.AllDirectories).Order()];

    /// <summary>All that the journal has written.</summary>
    public IReadOnlyList<byte[]> JournalBytes => [.. ((string[])["journal.db", "journal.db-wal"]).Select(name =>
    {
        using var file = new FileStream(_folder[name], FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        byte[] bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        return bytes;
    })];

    /// <summary>The files of a run's unfinished uploads.</summary>
    public string[] HalfUploadsOf(string run) =>
        Directory.Exists(_folder["spool/" + run]) ? Directory.GetFiles(_folder["spool/" + run], "*.part") : [];

    /// <param name="change">What is different in its settings.</param>
    /// <param name="names">The names of strategies and other parts of runs.</param>
    public static async Task<TestAggregator> StartAsync(Func<AggregatorSettings, AggregatorSettings>? change = null, Registry? names = null)
    {
        var settings = new AggregatorSettings { Listen = ["http://127.0.0.1:0"], Threads = 1, PollSeconds = 55, LivenessSeconds = 60 };
        var aggregator = new TestAggregator(change?.Invoke(settings) ?? settings, names ?? Registry.CreateDefault());
        await aggregator.StartAsync();
        return aggregator;
    }

    /// <summary>Stops it, and starts it anew with what it kept.</summary>
    /// <param name="meanwhile">Happens before it reads its journal.</param>
    /// <param name="names">The names of strategies and other parts of runs, where they are others now.</param>
    public async Task RestartAsync(Action<FaultyLog>? meanwhile = null, Registry? names = null)
    {
        await StopAsync();
        _names = names ?? _names;
        await StartAsync(meanwhile);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _folder.Dispose();
    }

    /// <summary>What goes with a coordinator's calls.</summary>
    public CallOptions AsCoordinator() => Options(CoordinatorToken);

    /// <summary>What goes with a call.</summary>
    public static CallOptions Options(string? token, string? client = null, string version = ProtocolVersion.Current)
    {
        var headers = new Metadata { { ProtocolVersion.Field, version } };
        if (token is not null) headers.Add("authorization", "Bearer " + token);
        if (client is not null) headers.Add(ProtocolVersion.ClientField, client);
        return new CallOptions(headers, DateTime.UtcNow + Patience, TestContext.Current.CancellationToken);
    }

    public async Task<TestSite> AddSiteAsync(string name) => new(this, name, (await Admin.AddSiteAsync(new AddSiteRequest { Name = name }, AsCoordinator())).Token);

    public async Task<Run> CreateRunAsync(string name, SmallRun run, params TestSite[] sites)
    {
        var request = new CreateRunRequest { RunId = name, Definition = ByteString.CopyFrom(run.Definition) };
        request.Sites.AddRange(sites.Select(site => site.Name));
        return await Admin.CreateRunAsync(request, AsCoordinator());
    }

    /// <summary>Adds a site whose client is there.</summary>
    public async Task<TestSite> JoinedAsync(string name)
    {
        TestSite site = await AddSiteAsync(name);
        await site.JoinAsync();
        return site;
    }

    /// <summary>Adds the site "north", defines the run "run" for it and others, and lets it ask for its task.</summary>
    public async Task<(TestSite North, TaskOffer Task)> AskAsync(SmallRun run, params TestSite[] others)
    {
        TestSite north = await AddSiteAsync("north");
        await CreateRunAsync("run", run, [north, .. others]);
        return (north, await north.TaskAsync());
    }

    public async Task<Run> RunAsync(string name) => await Admin.GetRunAsync(new RunRequest { RunId = name }, AsCoordinator());

    /// <summary>Waits until a run is as it is to be.</summary>
    public async Task<Run> RunAsync(string name, Func<Run, bool> isSo)
    {
        Run run = null!;
        await UntilAsync(async () => isSo(run = await RunAsync(name)));
        return run;
    }

    /// <summary>Waits until a run has ended.</summary>
    public Task<Run> EndOfAsync(string name) => RunAsync(name, run => run.EndCode.Length > 0);

    public async Task<SiteStatus> SiteAsync(string name) => (await Admin.ListSitesAsync(new ListSitesRequest(), AsCoordinator())).Sites.Single(site => site.Name == name);

    /// <summary>Waits until a site's call for work is open: the site counts as connected though it was last heard of longer ago than anything else would do for that.</summary>
    public async Task PollIsOpenAsync(string name)
    {
        TimeSpan liveness = TimeSpan.FromSeconds(_settings.LivenessSeconds);
        Clock.Pass(liveness);
        await UntilAsync(async () =>
        {
            SiteStatus site = await SiteAsync(name);
            if (!site.IsConnected) return false;
            if (DateTimeOffset.FromUnixTimeMilliseconds(site.LastSeenUnixMilliseconds) <= Clock.GetUtcNow() - liveness) return true;
            Clock.Pass(liveness);
            return false;
        });
    }

    /// <summary>The receipts of a run's rounds, as JSON.</summary>
    public async Task<IReadOnlyList<string>> ReceiptsAsync(string run)
    {
        using AsyncServerStreamingCall<RunReceipt> call = Admin.ListReceipts(new RunRequest { RunId = run }, AsCoordinator());
        return await call.ResponseStream.ReadAllAsync(TestContext.Current.CancellationToken).Select(receipt => receipt.Json).ToListAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>The facts of a run behind one of them, until it ends.</summary>
    public async Task<IReadOnlyList<RunFact>> FactsAsync(string run, long after = 0)
    {
        using AsyncServerStreamingCall<RunFact> watch = Admin.WatchRun(new WatchRunRequest { RunId = run, AfterSequence = after }, AsCoordinator());
        return await watch.ResponseStream.ReadAllAsync(TestContext.Current.CancellationToken).ToListAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>Waits until something is so.</summary>
    public static async Task UntilAsync(Func<Task<bool>> isSo)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Patience);
        while (!await isSo()) await Task.Delay(TimeSpan.FromMilliseconds(10), limit.Token);
    }

    private async Task StartAsync(Action<FaultyLog>? meanwhile = null)
    {
        var seams = new AggregatorSeams
        {
            Clock = Clock,
            Disk = Disk,
            Wrap = log =>
            {
                Journal = new FaultyLog(log);
                meanwhile?.Invoke(Journal);
                return Journal;
            },
        };
        _server = await AggregatorServer.StartAsync(_settings, _names, logging => logging.AddProvider(Log), seams, TestContext.Current.CancellationToken);
        _channel = GrpcChannel.ForAddress(Address);
    }

    private async Task StopAsync()
    {
        _channel?.Dispose();
        if (_server is not null) await _server.DisposeAsync();
    }
}
