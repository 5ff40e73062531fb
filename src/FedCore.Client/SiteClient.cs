using System.Reflection;
using FedCore.Client.Connection;
using FedCore.Client.Models;
using FedCore.Client.Outbox;
using FedCore.Client.Privacy;
using FedCore.Client.SecureSums;
using FedCore.Client.Settings;
using FedCore.Client.Storage;
using FedCore.Client.Tasks;
using FedCore.Client.Telemetry;
using FedCore.Naming;
using FedCore.Protocol.V1;
using Google.Protobuf;
using Microsoft.Extensions.Logging;

namespace FedCore.Client;

/// <summary>A client that was started: its parts, and how it ends.</summary>
internal sealed class SiteClient : IDisposable
{
    // When a client stops, so long it tries to send what is finished.
    private static readonly TimeSpan FlushLimit = TimeSpan.FromSeconds(10);

    private readonly ClientSettings _settings;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly DataFolder _folder;
    private readonly SiteIdentity _identity;
    private readonly SiteLedger _ledger;
    private readonly EdgeConnection _connection;
    private readonly RunRooms _rooms;
    private readonly ExchangeDesk _exchanges;
    private readonly OutboxPump _pump;
    private readonly TaskReporter _reporter;
    private readonly TaskLoop _loop;
    private readonly ClientGauges _gauges;

    private SiteClient(ClientSettings settings, Registry registry, DataFolder folder, SiteIdentity identity, SiteLedger ledger, EdgeConnection connection, TimeProvider clock, ILogger log)
    {
        (_settings, _clock, _log, _folder, _identity, _ledger, _connection) = (settings, clock, log, folder, identity, ledger, connection);
        Func<Backoff> newBackoff = () => new Backoff(clock);
        Outbox = new UpdateOutbox(folder, clock, log);
        if (Outbox.Count + Outbox.Unsettled.Count > 0) log.OutboxFound(Outbox.Count, Outbox.Unsettled.Count);
        Session = new Session(connection, Self, newBackoff, log);
        _gauges = new ClientGauges(Session, Outbox);
        var cache = new BlobCache(folder.Blobs, settings.CacheMb * 1_000_000L, clock);
        var downloads = new BlobDownloads(cache, connection, newBackoff, log);
        _rooms = new RunRooms(settings, registry, folder, downloads, Session, clock, log);
        _pump = new OutboxPump(Outbox, new UpdateSender(connection, Session, log), newBackoff, log);
        _reporter = new TaskReporter(connection, Session, Outbox, log);
        _exchanges = new ExchangeDesk(settings, folder, Outbox, identity, ledger, log);
        var runner = new TaskRunner(_rooms, cache, downloads, Outbox, _exchanges, ledger, settings.Privacy, _reporter, new Declines(connection, log), clock, log);
        _loop = new TaskLoop(connection, Session, Outbox, cache, _rooms, new KeptRuns(Outbox, _rooms, clock, log), _exchanges, runner, newBackoff, log);
    }

    /// <summary>The client's software and its version.</summary>
    public static string Software { get; } = "fedcore/" + typeof(SiteClient).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    public UpdateOutbox Outbox { get; }

    public Session Session { get; }

    /// <summary>Takes the data folder and joins.</summary>
    /// <exception cref="FedCoreException">The client cannot start, and why.</exception>
    public static async Task<SiteClient> StartAsync(ClientSettings settings, Registry registry, TimeProvider clock, ILogger log, CancellationToken ct)
    {
        settings.Check();
        DataFolder? folder = null;
        SiteIdentity? identity = null;
        SiteLedger? ledger = null;
        EdgeConnection? connection = null;
        SiteClient? client = null;
        try
        {
            folder = DataFolder.Open(settings.PathOf(settings.DataFolder), new Disk());
            log.Starting(Software["fedcore/".Length..], folder.Identity.Start, folder.Identity.Id, folder.Path);
            if (settings.IsInsecure) log.Insecure(settings.Aggregator);
            await settings.Data.CheckAsync(settings.DataFolders, ct).ConfigureAwait(false);
            identity = SiteIdentity.Open(settings, folder, log);
            if (identity.OpenFile is { } open) log.IdentityIsOpen(open);
            if (identity.Roster is null) log.NoRoster();
            ledger = SiteLedger.Open(settings, folder.Ledger, clock, log);
            connection = new EdgeConnection(settings, folder.Identity, clock, log);
            client = new SiteClient(settings, registry, folder, identity, ledger, connection, clock, log);
            await client.Session.StartAsync(ct).ConfigureAwait(false);
            return client;
        }
        catch
        {
            if (client is not null) client.Dispose();
            else
            {
                connection?.Dispose();
                ledger?.Dispose();
                identity?.Dispose();
                folder?.Dispose();
            }

            throw;
        }
    }

    /// <summary>Works until it is told to stop, and ends well: the running task has time to finish, and what is finished to be sent.</summary>
    /// <param name="stopping">Tells it to stop.</param>
    /// <param name="hurry">Ends the waiting, when it has been told to stop.</param>
    public async Task RunAsync(CancellationToken stopping, CancellationToken hurry)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        using var abort = CancellationTokenSource.CreateLinkedTokenSource(hurry);
        using var ended = new CancellationTokenSource();
        using CancellationTokenRegistration told = stopping.Register(() =>
        {
            _log.Stopping(_settings.StopSeconds);
            abort.CancelAfter(TimeSpan.FromSeconds(_settings.StopSeconds));
        });
        Task pump = _pump.RunAsync(ended.Token), reporter = _reporter.RunAsync(ended.Token), loop = _loop.RunAsync(stop.Token, abort.Token);
        if (await Task.WhenAny(pump, reporter, loop).ConfigureAwait(false) != loop)
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await abort.CancelAsync().ConfigureAwait(false);
        }

        await loop.ConfigureAwait(false);
        await ended.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(IgnoreCancellationAsync(pump), IgnoreCancellationAsync(reporter)).ConfigureAwait(false);
        await FlushAsync(hurry).ConfigureAwait(false);
        _log.Stopped(Outbox.Count);
    }

    public void Dispose()
    {
        _gauges.Dispose();
        _rooms.Dispose();
        _exchanges.Dispose();
        _connection.Dispose();
        _ledger.Dispose();
        _identity.Dispose();
        _folder.Dispose();
    }

    // What the client says of itself when it joins; its roster may be a newer one each time.
    private JoinRequest Self() => new()
    {
        Software = Software,
        Cores = _settings.Limits.UsableThreads,
        MemoryBytes = MemoryOf(_settings),
        IdentityKey = UnsafeByteOperations.UnsafeWrap(_identity.Key.PublicKey),
        Roster = _identity.RosterName,
    };

    private static long MemoryOf(ClientSettings settings) =>
        settings.Limits.MemoryMb is { } limit ? limit * 1_000_000L : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    private async Task FlushAsync(CancellationToken hurry)
    {
        using var limit = new CancellationTokenSource(FlushLimit, _clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, hurry);
        await IgnoreCancellationAsync(_pump.FlushAsync(either.Token)).ConfigureAwait(false);
    }

    private static async Task IgnoreCancellationAsync(Task task)
    {
        try
        {
            await task.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // It was told to end.
        }
    }
}
