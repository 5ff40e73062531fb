using FedCore.Aggregator.Fleet;
using FedCore.Aggregator.Journal;
using FedCore.Aggregator.Models;
using FedCore.Aggregator.Privacy;
using FedCore.Aggregator.Runs;
using FedCore.Aggregator.Services;
using FedCore.Aggregator.Settings;
using FedCore.Aggregator.Sites;
using FedCore.Aggregator.Spooling;
using FedCore.Aggregator.Storage;
using FedCore.Aggregator.Telemetry;
using FedCore.Hosting.Federation;
using FedCore.Hosting.Storage;
using FedCore.Hosting.Telemetry;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Privacy.Sampling;
using FedCore.Protocol.Connections;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;

namespace FedCore.Aggregator.Hosting;

/// <summary>An aggregator in this process: what it keeps, what it serves, and the runs that it holds.</summary>
public sealed class AggregatorServer : IAsyncDisposable
{
    private readonly Stack<object> _owned = new();
    private WebApplication? _app;
    private CancellationTokenSource? _stop;
    private Task _sweeping = Task.CompletedTask;

    private AggregatorServer()
    {
    }

    /// <summary>The addresses that it serves.</summary>
    public IReadOnlyList<string> Addresses { get; private set; } = [];

    /// <summary>Starts an aggregator. It goes on with the runs that it held before.</summary>
    /// <param name="settings">Its settings.</param>
    /// <param name="registry">The names of strategies and other parts of runs.</param>
    /// <param name="logging">Where its log goes; null for nowhere.</param>
    /// <param name="ct">Cancels the start.</param>
    /// <returns>The aggregator, which serves until it is disposed of.</returns>
    /// <exception cref="FedCoreException">A setting is not as it must be, or something that it needs is not there.</exception>
    public static Task<AggregatorServer> StartAsync(AggregatorSettings settings, Registry registry, Action<ILoggingBuilder>? logging = null, CancellationToken ct = default) =>
        StartAsync(settings, registry, logging, new AggregatorSeams(), ct);

    internal static async Task<AggregatorServer> StartAsync(AggregatorSettings settings, Registry registry, Action<ILoggingBuilder>? logging, AggregatorSeams seams, CancellationToken ct)
    {
        var server = new AggregatorServer();
        try
        {
            await server.OpenAsync(settings with { Threads = settings.Threads == 0 ? Environment.ProcessorCount : settings.Threads }, registry, logging, seams, ct).ConfigureAwait(false);
            return server;
        }
        catch (Exception fault)
        {
            await server.DisposeAsync().ConfigureAwait(false);
            if (!DiskSpace.IsFull(fault)) throw;
            throw FedCoreException.Unreachable(
                "aggregator.full", $"There is no room on the disk of {settings.PathOf(settings.DataFolder)}, or in its quota. Make room; delete nothing of the folder itself.", fault);
        }
    }

    /// <summary>Stops serving, and closes what it keeps. Runs go on when it is started again.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_stop is not null) await _stop.CancelAsync().ConfigureAwait(false);
        await _sweeping.ConfigureAwait(false);
        if (_app is not null) await _app.DisposeAsync().ConfigureAwait(false);
        while (_owned.TryPop(out object? owned))
        {
            if (owned is IAsyncDisposable later) await later.DisposeAsync().ConfigureAwait(false);
            else ((IDisposable)owned).Dispose();
        }

        _stop?.Dispose();
        _stop = null;
    }

    private async Task OpenAsync(AggregatorSettings settings, Registry registry, Action<ILoggingBuilder>? logging, AggregatorSeams seams, CancellationToken ct)
    {
        // What is wrong with the settings is said before anything is written.
        Endpoints endpoints = Own(new Endpoints(settings));
        PostgresPlace? place = settings.Postgres is { } postgres ? PostgresPlace.Read(postgres) : null;
        ILoggerFactory loggers = Own(LoggerFactory.Create(log => logging?.Invoke(log)));
        ILogger logger = loggers.CreateLogger("FedCore.Aggregator");
        Uri? collector = TelemetryExport.CollectorOf(settings.Otlp, "aggregator.otlp");
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddLogging().AddSingleton(loggers).AddSingleton<IHostLifetime, NoSignals>();
        var either = new ProtocolSwitch(seams.Clock);
        builder.WebHost.UseKestrelCore().UseSockets(endpoints.Configure).UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => endpoints.Configure(kestrel, either));
        builder.Services.AddSingleton<IConnectionListenerFactory>(either).AddRoutingCore().AddSingleton<IMemoryPoolFactory<byte>>(Own(new BlockPool(seams.Clock)));

        string folder = settings.PathOf(settings.DataFolder);
        Disk disk = seams.Disk;
        disk.CreateFolder(folder);
        RosterFile? roster = settings.Roster is { } pinned
            ? new RosterFile(
                pinned, settings.Folder, new LastRoster(Path.Combine(folder, "roster.json"), disk.Write), newer => Log.RosterRead(logger, newer.Serial, newer.Federation, newer.Sites.Count))
            : null;
        roster?.Read();
        EventLog journal = place is not null
            ? await PostgresEventLog.OpenAsync(place, seams.Clock, ct).ConfigureAwait(false)
            : SqliteEventLog.Open(Path.Combine(folder, "journal.db"), seams.Clock, disk);
        IEventLog log = Own(seams.Wrap(journal));
        Spool spool = Own(Spool.Open(
            new SpoolOptions(Path.Combine(folder, "spool")) { Report = damage => Log.SpoolDamaged(logger, damage.Path, damage.Offset, damage.Length) }, disk, seams.Clock,
            out IReadOnlyList<SpooledUpdate> recovered));
        var sites = Own(new SiteDirectory(log, seams.Clock, TimeSpan.FromSeconds(settings.LivenessSeconds)));
        await sites.LoadAsync(ct).ConfigureAwait(false);
        DateTimeOffset started = seams.Clock.GetUtcNow();
        var blobs = new BlobReferences(Own(BlobStore.Open(Path.Combine(folder, "blobs"), disk, seams.Clock)));
        string vectors = Path.Combine(folder, "vectors");
        disk.CreateFolder(vectors);
        AggregatorMetrics metrics = Own(new AggregatorMetrics());
        TelemetryExport export = Own(TelemetryExport.Start("fedcore-aggregator", collector, meters => meters
            .AddView(instrument => instrument.Meter.Name != FedCoreTelemetry.Name || instrument.Meter == metrics.Meter ? null : MetricStreamConfiguration.Drop)
            .AddPrometheusExporter(options => (options.ScrapeResponseCacheDurationMilliseconds, options.ScopeInfoEnabled) = (0, false))));
        var parts = new AggregatorParts(settings, registry, log, spool, blobs, sites, roster, Own(PrivacyBook.Open(folder, settings.Privacy, seams.Clock, logger)), new Lazy<NoiseKey>(() => Own(NoiseKeyFile.Open(folder, disk))), new TaskBoard(), metrics, new VectorStorage(vectors), seams.Clock, logger);
        RunDirectory runs = Own(new RunDirectory(parts));
        await runs.LoadAsync(recovered, ct).ConfigureAwait(false);
        AggregatorGauges.Add(parts, runs, journal, disk, folder);

        var uploads = new UploadDesk(parts, runs);
        builder.Services.AddGrpc(options => options.MaxReceiveMessageSize = EdgeService.MaxMessageBytes);
        builder.Services.AddSingleton(new EdgeService(parts, runs, uploads)).AddSingleton(new UploadsService(parts, uploads)).AddSingleton(new BlobsService(parts, runs)).AddSingleton(new AdminService(parts, runs));
        _app = builder.Build();
        string coordinatorHash = CoordinatorToken.HashIn(folder, disk, logger);
        var authentication = new Authentication(sites, coordinatorHash, logger);
        _app.UseGrpcWeb(new GrpcWebOptions { DefaultEnabled = true });
        _app.UseRouting();
        _app.Use((context, next) => authentication.InvokeAsync(context, next));
        _app.MapGrpcService<EdgeService>().WithMetadata(Access.Sites);
        _app.MapGrpcService<UploadsService>().WithMetadata(Access.Sites);
        _app.MapGrpcService<BlobsService>().WithMetadata(Access.Everybody);
        _app.MapGrpcService<AdminService>().WithMetadata(Access.Coordinators);
        _app.MapOperator(runs.Settled, folder, new JournalHealth(journal.ProbeAsync, seams.Clock, logger), export.Meters, coordinatorHash);
        await _app.StartAsync(ct).ConfigureAwait(false);
        Addresses = [.. _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Where(address => !ProtocolSwitch.IsInner(address))];
        foreach (string address in endpoints.Insecure) Log.Insecure(logger, address);
        Log.Started(logger, string.Join(", ", Addresses), folder);
        _stop = new CancellationTokenSource();
        _sweeping = new Sweep(parts, runs).RunAsync(started, _stop.Token);
    }

    private T Own<T>(T owned)
        where T : notnull
    {
        _owned.Push(owned);
        return owned;
    }
}
