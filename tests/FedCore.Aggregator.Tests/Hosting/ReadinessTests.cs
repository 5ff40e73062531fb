using System.Net;
using FedCore.Aggregator.Hosting;
using FedCore.Aggregator.Settings;
using FedCore.Naming;
using FedCore.Tests;

namespace FedCore.Aggregator.Tests.Hosting;

/// <summary>An aggregator whose journal is in a database of another machine.</summary>
public sealed class ReadinessTests(Journal.PostgresServer postgres) : IClassFixture<Journal.PostgresServer>, IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly HttpClient _http = new();
    private readonly ShiftedClock _clock = new();

    public void Dispose()
    {
        _http.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task An_aggregator_is_not_ready_while_its_journals_database_is_away()
    {
        var settings = new AggregatorSettings { DataFolder = _folder["data"], Postgres = postgres.Connection, Listen = ["http://127.0.0.1:0"] };
        await using AggregatorServer server = await AggregatorServer.StartAsync(settings, Registry.CreateDefault(), null, new AggregatorSeams { Clock = _clock }, TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.OK, "ok"), await ReadyAsync(server));
        await postgres.StopAsync();
        try
        {
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "the journal cannot be reached"), await ReadyAsync(server));
        }
        finally
        {
            await postgres.StartAsync();
        }

        Assert.Equal((HttpStatusCode.OK, "ok"), await ReadyAsync(server));
    }

    // What was answered a moment ago is not asked again.
    private async Task<(HttpStatusCode Status, string Text)> ReadyAsync(AggregatorServer server)
    {
        _clock.Pass(JournalHealth.GoodFor);
        using HttpResponseMessage response = await _http.GetAsync(new Uri(server.Addresses[^1] + "/healthz/ready"), TestContext.Current.CancellationToken);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }
}
