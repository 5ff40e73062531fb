using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using FedCore.Aggregator.Settings;
using FedCore.Protocol.Connections;
using FedCore.Tests;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>Callers over HTTP/1.1 whose message does not come to its end.</summary>
public sealed class WebDisconnectTests : IDisposable
{
    private const string Counted = "content-length: 105\r\n", Chunked = "transfer-encoding: chunked\r\n";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(Counted, false, false)]
    [InlineData(Counted, false, true)]
    [InlineData(Counted, true, false)]
    [InlineData(Counted, true, true)]
    [InlineData(Chunked, false, false)]
    [InlineData(Chunked, false, true)]
    [InlineData(Chunked, true, false)]
    [InlineData(Chunked, true, true)]
    public async Task Who_disconnects_within_a_message_is_no_defect(string field, bool isTls, bool isReset)
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync(settings => isTls ? WithTls(settings) : settings);
        TestSite north = await aggregator.AddSiteAsync("north");
        byte[] half = field == Counted ? [0, 0, 0, 0, 100, 1, 2, 3] : [(byte)'9', (byte)'\r', (byte)'\n', 0, 0, 0, 0, 100, 1, 2, 3];

        // What the aggregator hears of first, the end of what it reads or that of the call, is a matter of luck.
        for (int i = 0; i < 50; i++)
        {
            await BeginAsync(aggregator, north, field, async stream =>
            {
                await stream.WriteAsync(half, TestContext.Current.CancellationToken);
            }, isReset);
        }

        // It stops when it is through with all calls.
        await aggregator.RestartAsync();
        Assert.Empty(aggregator.Log.Errors);
    }

    [Theory]
    [InlineData("content-length: 1000000\r\n", false)]
    [InlineData("content-length: 1000000\r\n", true)]
    [InlineData(Chunked, false)]
    [InlineData(Chunked, true)]
    public async Task Who_disconnects_within_a_stream_is_nothing_to_warn_of(string field, bool isReset)
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        byte[] part = [0, 0, 1, 0, 0, .. new byte[30_000]];
        if (field == Chunked) part = [.. Encoding.ASCII.GetBytes($"{part.Length:x}\r\n"), .. part];
        for (int i = 0; i < 20; i++) await BeginAsync(aggregator, north, field, async stream => await stream.WriteAsync(part, TestContext.Current.CancellationToken), isReset, "Uploads/Send");
        await aggregator.RestartAsync();
        Assert.Empty(aggregator.Log.Errors);
        Assert.Empty(aggregator.Log.FrameworkWarnings);
    }

    [Theory]
    [InlineData(Counted)]
    [InlineData(Chunked)]
    public async Task Who_has_not_sent_a_message_at_its_deadline_is_answered(string field)
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        string answer = "";
        await BeginAsync(aggregator, await aggregator.AddSiteAsync("north"), field + "grpc-timeout: 100m\r\n", async stream => answer = await LineAsync(stream));
        Assert.Equal("HTTP/1.1 200 OK", answer);
        await aggregator.RestartAsync();
        Assert.Empty(aggregator.Log.Errors);
    }

    // Begins a call, waits until the aggregator wants its message, and hangs up in the end.
    private static async Task BeginAsync(TestAggregator aggregator, TestSite site, string fields, Func<Stream, Task> goOn, bool isReset = false, string call = "Edge/Join")
    {
        using var client = new TcpClient();
        await client.ConnectAsync(aggregator.LastAddress.Host, aggregator.LastAddress.Port, TestContext.Current.CancellationToken);
        await using Stream stream = aggregator.LastAddress.Scheme == "https" ? new SslStream(client.GetStream(), false, (_, certificate, _, _) => certificate?.Subject == "CN=localhost") : client.GetStream();
        if (stream is SslStream tls) await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost" }, TestContext.Current.CancellationToken);
        string head = $"POST /fedcore.v1.{call} HTTP/1.1\r\nhost: north\r\ncontent-type: application/grpc-web+proto\r\nexpect: 100-continue\r\n{fields}"
            + $"authorization: Bearer {site.Token}\r\n{ProtocolVersion.ClientField}: {site.OnWire}\r\n{ProtocolVersion.Field}: {ProtocolVersion.Current}\r\n\r\n";
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head), TestContext.Current.CancellationToken);
        Assert.Equal("HTTP/1.1 100 Continue", await LineAsync(stream));
        Assert.Equal("", await LineAsync(stream));
        await goOn(stream);
        if (isReset) client.Client.Close(0);
    }

    private AggregatorSettings WithTls(AggregatorSettings settings)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 certificate = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        string path = _folder.File("server.pem", certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem());
        return settings with { Listen = [.. settings.Listen, "https://127.0.0.1:0"], Certificate = new CertificateSettings { Path = path } };
    }

    private static async Task<string> LineAsync(Stream stream)
    {
        var line = new StringBuilder();
        byte[] one = new byte[1];
        while (one[0] != '\n')
        {
            await stream.ReadExactlyAsync(one, TestContext.Current.CancellationToken);
            line.Append((char)one[0]);
        }

        return line.ToString().TrimEnd();
    }
}
