using FedCore.Client.Outbox;
using FedCore.Client.Settings;
using FedCore.Naming;
using FedCore.Training;
using FedCore.Training.Data;

namespace FedCore.Client.Tests.Fakes;

/// <summary>A client that runs in the test's process.</summary>
internal sealed class RunningClient : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new(), _hurry = new();
    private readonly SiteClient _client;
    private readonly Task _work;

    private RunningClient(SiteClient client, LogLines log)
    {
        (_client, Log) = (client, log);
        _work = client.RunAsync(_stop.Token, _hurry.Token);
    }

    public LogLines Log { get; }

    public UpdateOutbox Outbox => _client.Outbox;

    public static ClientSettings Settings(FakeAggregator aggregator, string folder, ITrainer? trainer = null, IDataSource? data = null, string site = FakeAggregator.Site) => new()
    {
        Aggregator = aggregator.Address,
        Token = site,
        DataFolder = folder,
        Data = data ?? new SmallData(),
        Trainer = trainer,
        StopSeconds = 5,
    };

    public static async Task<RunningClient> StartAsync(ClientSettings settings, Registry? names = null, TimeProvider? clock = null)
    {
        var log = new LogLines();
        return new RunningClient(await SiteClient.StartAsync(settings, names ?? Runs.Names, clock ?? TimeProvider.System, log, TestContext.Current.CancellationToken), log);
    }

    /// <summary>Stops as a host stops it.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _work.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
    }

    /// <summary>Stops at once.</summary>
    public async ValueTask DisposeAsync()
    {
        await _hurry.CancelAsync();
        await _stop.CancelAsync();
        await _work;
        _client.Dispose();
        _stop.Dispose();
        _hurry.Dispose();
    }
}
