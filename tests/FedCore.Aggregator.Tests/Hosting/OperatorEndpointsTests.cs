using System.Net;
using System.Runtime.CompilerServices;
using FedCore.Aggregator.Hosting;
using FedCore.Aggregator.Journal;
using FedCore.Aggregator.Settings;
using FedCore.Aggregator.Sites;
using FedCore.Naming;
using FedCore.Protocol.Connections;
using FedCore.Protocol.V1;
using FedCore.Tests;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Http;

namespace FedCore.Aggregator.Tests.Hosting;

/// <summary>What an operator's tools are answered.</summary>
public sealed class OperatorEndpointsTests : IDisposable
{
    private const string Token = "the-coordinators";

    private readonly TemporaryFolder _folder = new();
    private readonly HttpClient _http = new();

    public void Dispose()
    {
        _http.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("127.0.0.1", null, null, true)]
    [InlineData("::1", null, null, true)]
    [InlineData("::ffff:127.0.0.1", null, null, true)]
    [InlineData("192.0.2.7", null, null, false)]
    [InlineData("192.0.2.7", "Bearer the-coordinators", null, true)]
    [InlineData("192.0.2.7", "Bearer another", null, false)]
    [InlineData("192.0.2.7", "the-coordinators", null, false)]
    [InlineData("127.0.0.1", null, "X-Forwarded-For", false)]
    [InlineData("127.0.0.1", null, "Forwarded", false)]
    [InlineData("127.0.0.1", null, "Via", false)]
    [InlineData("127.0.0.1", "Bearer the-coordinators", "X-Forwarded-For", true)]
    public void Measurements_are_for_this_machine_and_for_coordinators(string caller, string? authorization, string? passedOnBy, bool mayRead)
    {
        var context = new DefaultHttpContext();
        context.Connection.RemoteIpAddress = IPAddress.Parse(caller);
        if (authorization is not null) context.Request.Headers.Authorization = authorization;
        if (passedOnBy is not null) context.Request.Headers[passedOnBy] = "192.0.2.7";
        Assert.Equal(mayRead, OperatorEndpoints.MayRead(context, JoinToken.Hash(Token)));
    }

    [Theory]
    [InlineData("localhost:8470", true)]
    [InlineData("127.0.0.1", true)]
    [InlineData("[::1]:8470", true)]
    [InlineData("page.example:8470", false)]
    [InlineData("192.0.2.7", false)]
    public void Measurements_are_not_for_pages_whose_name_points_to_this_machine(string host, bool mayRead)
    {
        var context = new DefaultHttpContext();
        (context.Connection.RemoteIpAddress, context.Request.Host) = (IPAddress.Loopback, new HostString(host));
        Assert.Equal(mayRead, OperatorEndpoints.MayRead(context, JoinToken.Hash(Token)));
    }

    [Fact]
    public async Task Measurements_are_refused_to_who_comes_through_a_proxy()
    {
        await using AggregatorServer server = await StartAsync(_folder["data"]);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"{server.Addresses[^1]}/metrics"));
        request.Headers.Add("X-Forwarded-For", "192.0.2.7");
        using HttpResponseMessage response = await _http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.Unauthorized, "Bearer"), (response.StatusCode, response.Headers.WwwAuthenticate.Single().Scheme));
    }

    [Fact]
    public async Task An_aggregator_that_serves_is_alive_and_ready()
    {
        await using AggregatorServer server = await StartAsync(_folder["data"]);
        Assert.Equal((HttpStatusCode.OK, "ok"), await GetAsync(server, "/healthz/live"));
        Assert.Equal((HttpStatusCode.OK, "ok"), await GetAsync(server, "/healthz/ready"));
    }

    [Theory]
    [InlineData("HEAD", HttpStatusCode.OK)]
    [InlineData("OPTIONS", HttpStatusCode.MethodNotAllowed)]
    [InlineData("POST", HttpStatusCode.MethodNotAllowed)]
    [InlineData("PUT", HttpStatusCode.MethodNotAllowed)]
    [InlineData("DELETE", HttpStatusCode.MethodNotAllowed)]
    public async Task What_operators_ask_for_is_only_read(string method, HttpStatusCode status)
    {
        await using AggregatorServer server = await StartAsync(_folder["data"]);
        foreach (string path in (string[])["/healthz/live", "/healthz/ready", "/metrics"])
            Assert.Equal((path, status), (path, await StatusAsync(server, new HttpMethod(method), path)));
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("HEAD")]
    [InlineData("OPTIONS")]
    [InlineData("PUT")]
    public async Task A_call_is_made_in_no_other_way_than_as_a_call(string method)
    {
        await using AggregatorServer server = await StartAsync(_folder["data"]);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, await StatusAsync(server, new HttpMethod(method), "/fedcore.v1.Admin/ListRuns"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(server, new HttpMethod(method), "/nothing"));
    }

    [Fact]
    public async Task An_aggregator_is_ready_when_the_journals_of_its_runs_were_read()
    {
        await using (AggregatorServer before = await StartAsync(_folder["data"])) await CreateRunAsync(before);
        var gate = new TaskCompletionSource();
        await using AggregatorServer server = await StartAsync(_folder["data"], new AggregatorSeams { Wrap = log => new HeldLog(log, gate.Task) });
        Assert.Equal((HttpStatusCode.OK, "ok"), await GetAsync(server, "/healthz/live"));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "runs are being taken up"), await GetAsync(server, "/healthz/ready"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await StatusAsync(server, HttpMethod.Head, "/healthz/ready"));
        gate.SetResult();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromMinutes(1));
        while ((await GetAsync(server, "/healthz/ready", limit.Token)).Status != HttpStatusCode.OK) await Task.Yield();
    }

    [Fact]
    public async Task An_aggregator_is_not_ready_while_its_disk_is_full()
    {
        using SmallDisk disk = SmallDisk.Mount(kilobytes: 32 * 1024);
        await using AggregatorServer server = await StartAsync(Path.Combine(disk.Path, "data"));
        Assert.Equal((HttpStatusCode.OK, "ok"), await GetAsync(server, "/healthz/ready"));
        string filler = disk.Fill();
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "the disk of the data folder is full"), await GetAsync(server, "/healthz/ready"));
        File.Delete(filler);
        Assert.Equal((HttpStatusCode.OK, "ok"), await GetAsync(server, "/healthz/ready"));
    }

    private async Task CreateRunAsync(AggregatorServer server)
    {
        var metadata = new Metadata { { "authorization", "Bearer " + await File.ReadAllTextAsync(Path.Combine(_folder["data"], CoordinatorToken.FileName)) }, { ProtocolVersion.Field, ProtocolVersion.Current } };
        using GrpcChannel channel = GrpcChannel.ForAddress(server.Addresses[0]);
        var admin = new Admin.AdminClient(channel.CreateCallInvoker());
        await admin.AddSiteAsync(new AddSiteRequest { Name = "north" }, new CallOptions(metadata));
        const string definition = """
            { "name": "a", "model": { "input": [1], "layers": [{ "type": "linear", "outputs": 2 }], "loss": { "type": "softmaxCrossEntropy" } },
              "strategy": { "type": "fedavg" }, "training": { "steps": 1, "batchSize": 1, "learningRate": 0.1 }, "rounds": { "count": 1 } }
            """;
        await admin.CreateRunAsync(new CreateRunRequest { RunId = "a", Definition = ByteString.CopyFromUtf8(definition) }, new CallOptions(metadata));
    }

    private static Task<AggregatorServer> StartAsync(string folder, AggregatorSeams? seams = null) => AggregatorServer.StartAsync(
        new AggregatorSettings { DataFolder = folder, Listen = ["http://127.0.0.1:0"] }, Registry.CreateDefault(), null, seams ?? new AggregatorSeams(), TestContext.Current.CancellationToken);

    private async Task<(HttpStatusCode Status, string Text)> GetAsync(AggregatorServer server, string path, CancellationToken? ct = null)
    {
        using HttpResponseMessage response = await _http.GetAsync(new Uri(server.Addresses[^1] + path), ct ?? TestContext.Current.CancellationToken);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    private async Task<HttpStatusCode> StatusAsync(AggregatorServer server, HttpMethod method, string path)
    {
        using var request = new HttpRequestMessage(method, new Uri(server.Addresses[^1] + path));
        using HttpResponseMessage response = await _http.SendAsync(request, TestContext.Current.CancellationToken);
        return response.StatusCode;
    }

    /// <summary>A log that gives the facts of runs away when it may.</summary>
    private sealed class HeldLog(IEventLog log, Task open) : IEventLog
    {
        public long Commits => log.Commits;

        public async IAsyncEnumerable<LoggedEvent> ReadAsync(string stream, long after, [EnumeratorCancellation] CancellationToken ct)
        {
            if (stream.StartsWith("run/", StringComparison.Ordinal)) await open.WaitAsync(ct);
            await foreach (LoggedEvent logged in log.ReadAsync(stream, after, ct)) yield return logged;
        }

        public ValueTask AppendAsync(string stream, string kind, string json, Durability durability, CancellationToken ct) => log.AppendAsync(stream, kind, json, durability, ct);

        public ValueTask<IReadOnlyList<string>> ListAsync(string prefix, CancellationToken ct) => log.ListAsync(prefix, ct);

        public ValueTask DisposeAsync() => log.DisposeAsync();
    }
}
