using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FedCore.Client.Settings;
using FedCore.Client.Tests.Data;
using FedCore.Client.Tests.Fakes;
using FedCore.Tests;
using Grpc.Core;

namespace FedCore.Client.Tests.Connection;

/// <summary>How a client starts, and what it says where it cannot.</summary>
public sealed class StartTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(new[] { 2, 3 }, "speaks version 2, 3 of the protocol, this client speaks version 1. Update the client.")]
    [InlineData(new[] { 0 }, "speaks version 0 of the protocol, this client speaks version 1. Update the aggregator.")]
    public async Task Another_version_of_the_protocol_is_a_fault_that_says_who_must_be_updated(int[] versions, string message)
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        aggregator.OnCall = (_, _) => throw FakeAggregator.Fault(StatusCode.FailedPrecondition, "protocol.version", "Not this one.", versions);
        Examples.AssertFault(await FaultAsync(RunningClient.Settings(aggregator, _folder.Path)), FaultKind.Configuration, "protocol.version", message);
        Assert.Equal(1, aggregator.Count("Join"));
    }

    [Fact]
    public async Task A_token_that_is_not_known_is_a_fault_that_does_not_show_it()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        aggregator.OnCall = (_, _) => throw FakeAggregator.Fault(StatusCode.Unauthenticated, "auth.token", "The token is not known, or was replaced.");
        FedCoreException fault = await FaultAsync(RunningClient.Settings(aggregator, _folder.Path, site: "secret-token"));
        Examples.AssertFault(fault, FaultKind.Configuration, "client.token", "was replaced", "client.token", "client.tokenFile");
        Assert.DoesNotContain("secret-token", fault.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_client_of_the_site_is_a_fault_with_the_aggregators_words()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        aggregator.OnCall = (_, _) => throw FakeAggregator.Fault(StatusCode.AlreadyExists, "client.duplicate", "Another client speaks for the site 'north'. Stop one of the two.");
        Examples.AssertFault(await FaultAsync(RunningClient.Settings(aggregator, _folder.Path)), FaultKind.Unreachable, "client.duplicate", "Stop one of the two");
    }

    [Fact]
    public async Task An_address_where_nobody_is_is_a_fault_after_ten_seconds_of_trying()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        var clock = new HandClock();
        DateTimeOffset start = clock.GetUtcNow();
        Task<FedCoreException> fault = FaultAsync(Settings($"http://127.0.0.1:{port}"), clock);
        await clock.MoveUntilAsync(fault);
        Examples.AssertFault(await fault, FaultKind.Unreachable, "client.unreachable", $"http://127.0.0.1:{port}", "client.aggregator");

        // The last wait that would have ended later is not waited for.
        Assert.InRange(clock.GetUtcNow() - start, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(12));
    }

    [Fact]
    public async Task An_aggregator_that_comes_within_ten_seconds_is_waited_for()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        int calls = 0;
        aggregator.OnCall = (method, _) => method == "Join" && calls++ < 3 ? throw new RpcException(new Status(StatusCode.Unavailable, "starting")) : Task.CompletedTask;
        var clock = new HandClock();
        Task<RunningClient> start = RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path), clock: clock);
        await clock.MoveUntilAsync(start);
        await using RunningClient client = await start;
        Assert.Equal(3, client.Log.Count(103));
        Assert.Contains("Joined", client.Log.Text(101), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_no_aggregator_is_named_so()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        aggregator.OnCall = (_, _) => throw new RpcException(new Status(StatusCode.Unimplemented, "no such service"));
        Examples.AssertFault(await FaultAsync(RunningClient.Settings(aggregator, _folder.Path)), FaultKind.Configuration, "client.aggregator", "client.web");
    }

    [Fact]
    public async Task A_port_that_speaks_otherwise_is_a_fault_that_says_which_setting_to_change()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        FedCoreException tls = await FaultAsync(Settings(aggregator.Address.Replace("http:", "https:", StringComparison.Ordinal)) with { DataFolder = _folder["a"] });
        Examples.AssertFault(tls, FaultKind.Configuration, "client.aggregator", "speaks no TLS", "client.allowInsecure");
        FedCoreException old = await FaultAsync(Settings(aggregator.Http1Address) with { DataFolder = _folder["b"] });
        Examples.AssertFault(old, FaultKind.Configuration, "client.aggregator", "HTTP/1.1 alone", "client.web to true");
        Assert.Empty(aggregator.Calls);
    }

    [Fact]
    public async Task Data_that_is_not_there_is_a_fault_before_the_aggregator_is_called()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        var absent = new SmallData { Fault = new FedCoreException(FaultKind.Unreachable, "data.unreachable", "The database cannot be reached.") };
        Examples.AssertFault(await FaultAsync(RunningClient.Settings(aggregator, _folder.Path, data: absent)), FaultKind.Unreachable, "data.unreachable");
        Assert.Empty(aggregator.Calls);
    }

    [Fact]
    public async Task Two_clients_never_share_a_data_folder()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        await using (RunningClient first = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder["kept"])))
            Examples.AssertFault(await FaultAsync(RunningClient.Settings(aggregator, _folder["kept"])), FaultKind.Configuration, "client.folder", _folder["kept"], "Stop the other one");
        await using RunningClient next = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder["kept"]));
    }

    [Fact]
    public async Task A_damaged_identity_is_a_fault_with_a_remedy()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        _folder.File("client.json", "{\"id\":\"AB");
        Examples.AssertFault(await FaultAsync(RunningClient.Settings(aggregator, _folder.Path)), FaultKind.Configuration, "client.folder", "client.json", "Delete the file");
    }

    [Fact]
    public async Task A_certificate_of_a_private_authority_is_trusted_where_the_settings_name_it_and_nowhere_else()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using X509Certificate2 certificate = request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        string pem = _folder.File("authority.pem", certificate.ExportCertificatePem());
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var handshakes = new System.Collections.Concurrent.ConcurrentQueue<bool>();
        Task server = ServeAsync();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;

        FedCoreException distrusted = await FaultAsync(Settings($"https://127.0.0.1:{port}") with { DataFolder = _folder["a"] });
        Examples.AssertFault(distrusted, FaultKind.Configuration, "client.certificate", $"https://127.0.0.1:{port}", "client.trustedCertificate");
        Assert.DoesNotContain(true, handshakes);

        // What answers is no aggregator; but it is trusted.
        var clock = new HandClock();
        Task<FedCoreException> trusted = FaultAsync(Settings($"https://127.0.0.1:{port}") with { TrustedCertificate = pem, DataFolder = _folder["b"] }, clock);
        await clock.MoveUntilAsync(trusted);
        Assert.Equal("client.unreachable", (await trusted).Code);
        Assert.Contains(true, handshakes);
        Examples.AssertFault(
            await FaultAsync(Settings($"https://127.0.0.1:{port}") with { TrustedCertificate = _folder.File("no.pem", "nothing"), DataFolder = _folder["c"] }), FaultKind.Configuration, "client.certificate", "no.pem");
        await stop.CancelAsync();
        await server;

        async Task ServeAsync()
        {
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    using TcpClient peer = await listener.AcceptTcpClientAsync(stop.Token);
                    await using var tls = new SslStream(peer.GetStream());
                    await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate, ApplicationProtocols = [SslApplicationProtocol.Http2] }, stop.Token);

                    // A client that does not trust hangs up; one that does sends its first bytes.
                    handshakes.Enqueue(await tls.ReadAsync(new byte[100], stop.Token) > 0);
                }
                catch (Exception fault) when (fault is IOException or System.Security.Authentication.AuthenticationException or OperationCanceledException)
                {
                    // The next one.
                }
            }
        }
    }

    [Fact]
    public async Task A_token_file_that_changes_is_read_again_and_a_token_that_was_taken_is_a_warning_later_on()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        aggregator.Terms.PollSeconds = 1;
        string file = _folder.File("token", " old \n");
        aggregator.OnCall = (_, context) => context.RequestHeaders.GetValue("authorization") != "Bearer old" || !File.ReadAllText(file).Contains("new", StringComparison.Ordinal)
            ? Task.CompletedTask : throw FakeAggregator.Fault(StatusCode.Unauthenticated, "auth.token", "The token was replaced.");
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder["kept"]) with { Token = null, TokenFile = file });
        await aggregator.WaitForCallsAsync("NextTask", 1);
        _folder.File("token", "new");
        await aggregator.WaitAsync(() => aggregator.LastHeaders?.GetValue("authorization") == "Bearer new");
        Assert.Contains("was replaced", client.Log.Text(103), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_has_lost_the_aggregator_joins_again_when_it_is_back()
    {
        int port;
        string address;
        RunningClient client;
        await using (FakeAggregator first = await FakeAggregator.StartAsync())
        {
            (address, port) = (first.Address, new Uri(first.Address).Port);
            client = await RunningClient.StartAsync(RunningClient.Settings(first, _folder.Path));
            await first.WaitForCallsAsync("NextTask", 1);
        }

        await using RunningClient running = client;
        await using FakeAggregator second = await FakeAggregator.StartAsync(port);
        using var run = new SmallRun(second);
        await second.AcceptedAsync(run.Train(1).TaskId);
        Assert.Equal((address, 1), (second.Address, second.Count("Join")));
        Assert.True(client.Log.Has(103) && client.Log.Has(102));
    }

    [Fact]
    public async Task An_address_that_anybody_can_listen_to_is_warned_of_at_every_start()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        ClientSettings settings = Settings("http://not-loopback.invalid") with { AllowInsecure = true };
        var log = new LogLines();
        var clock = new HandClock();
        Task<FedCoreException> fault = Assert.ThrowsAsync<FedCoreException>(() => SiteClient.StartAsync(settings, Runs.Names, clock, log, TestContext.Current.CancellationToken));
        await clock.MoveUntilAsync(fault);
        Assert.Contains("client.allowInsecure", log.Text(104), StringComparison.Ordinal);
    }

    private ClientSettings Settings(string address) => new() { Aggregator = address, Token = "north", DataFolder = _folder.Path, Data = new SmallData() };

    private static Task<FedCoreException> FaultAsync(ClientSettings settings, TimeProvider? clock = null) => Assert.ThrowsAsync<FedCoreException>(() => RunningClient.StartAsync(settings, clock: clock));
}
