using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FedCore.Aggregator.Hosting;
using FedCore.Aggregator.Settings;
using FedCore.Naming;
using FedCore.Tests;

namespace FedCore.Aggregator.Tests.Hosting;

/// <summary>What an aggregator that cannot start leaves behind: nothing.</summary>
public sealed class StartTests : IDisposable
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1", ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("127.0.0.1", "aggregator.listen")]
    [InlineData("http://host.example:1", "aggregator.listen")]
    [InlineData("http://0.0.0.0:0", "aggregator.listen")]
    [InlineData("https://127.0.0.1:0", "aggregator.certificate")]
    public async Task Where_it_cannot_listen_nothing_is_written(string address, string code) => await RefusesAsync(new AggregatorSettings { Listen = [address] }, code);

    [Theory]
    [InlineData("nonsense")]
    [InlineData("Database=fedcore")]
    [InlineData("Host=127.0.0.1;Port=much")]
    public async Task Where_its_database_is_not_named_nothing_is_written(string postgres) => await RefusesAsync(new AggregatorSettings { Postgres = postgres }, "aggregator.postgres");

    [Fact]
    public async Task A_port_that_is_taken_is_named_with_its_setting_and_may_be_free_later()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        FedCoreException fault = await FaultOfAsync(new AggregatorSettings { Listen = ["http://127.0.0.1:0", $"http://{taken.LocalEndpoint}"] });
        Assert.Equal((FaultKind.Unreachable, "aggregator.listen"), (fault.Kind, fault.Code));
        Assert.StartsWith($"aggregator.listen[1] is http://{taken.LocalEndpoint}, where another program listens.", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_address_that_the_machine_does_not_have_is_named_with_its_setting_and_may_come_up_later()
    {
        // Of a range that is kept for documentation (RFC 5737).
        FedCoreException fault = await FaultOfAsync(new AggregatorSettings { Listen = ["http://192.0.2.1:0"], AllowInsecure = true });
        Assert.Equal((FaultKind.Unreachable, "aggregator.listen"), (fault.Kind, fault.Code));
        Assert.StartsWith("aggregator.listen[0] is http://192.0.2.1:0, but this machine does not have that address", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_that_its_user_may_not_have_is_a_mistake_of_the_settings()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows() || Environment.IsPrivilegedProcess, "This user may listen on every port.");
        FedCoreException fault = await FaultOfAsync(new AggregatorSettings { Listen = ["http://127.0.0.1:1"] });
        Assert.Equal((FaultKind.Configuration, "aggregator.listen"), (fault.Kind, fault.Code));
        Assert.StartsWith("aggregator.listen[0] is http://127.0.0.1:1, where this user may not listen.", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    [InlineData(12)]
    [InlineData(24)]
    [InlineData(40)]
    public async Task A_disk_without_room_may_have_some_later(int kilobytes)
    {
        using SmallDisk disk = SmallDisk.Mount(1024);
        disk.Fill(kilobytes << 10);
        FedCoreException fault = await Assert.ThrowsAsync<FedCoreException>(() => AggregatorServer.StartAsync(
            new AggregatorSettings { DataFolder = Path.Combine(disk.Path, "data"), Listen = ["http://127.0.0.1:0"] }, Registry.CreateDefault(), ct: TestContext.Current.CancellationToken));
        Assert.True(fault.Kind == FaultKind.Unreachable, fault.ToString());
        Assert.Contains("Make room", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_it_cannot_export_nothing_is_written() => await RefusesAsync(new AggregatorSettings { Otlp = "localhost" }, "otlp.address");

    [Theory]
    [InlineData("absent.pem", null)]
    [InlineData("text.pem", null)]
    [InlineData("keyless.pem", null)]
    [InlineData("keyless.pfx", null)]
    [InlineData("whole.pfx", "wrong")]
    [InlineData("client.pfx", "right")]
    public async Task Where_its_certificate_is_of_no_use_nothing_is_written(string file, string? password)
    {
        using X509Certificate2 whole = Certificate(ServerAuthentication), client = Certificate(ClientAuthentication);
        _folder.File("text.pem", "no certificate");
        _folder.File("keyless.pem", whole.ExportCertificatePem());
        await File.WriteAllBytesAsync(_folder["whole.pfx"], whole.Export(X509ContentType.Pkcs12, "right"), TestContext.Current.CancellationToken);
        await File.WriteAllBytesAsync(_folder["client.pfx"], client.Export(X509ContentType.Pkcs12, "right"), TestContext.Current.CancellationToken);
        using X509Certificate2 keyless = X509CertificateLoader.LoadCertificate(whole.RawData);
        await File.WriteAllBytesAsync(_folder["keyless.pfx"], keyless.Export(X509ContentType.Pkcs12), TestContext.Current.CancellationToken);
        await RefusesAsync(new AggregatorSettings { Listen = ["https://127.0.0.1:0"], Certificate = new CertificateSettings { Path = _folder[file], Password = password } }, "aggregator.certificate");
    }

    [Fact]
    public async Task A_certificate_of_a_server_with_its_key_is_taken()
    {
        using X509Certificate2 whole = Certificate(ServerAuthentication);
        await File.WriteAllBytesAsync(_folder["whole.pfx"], whole.Export(X509ContentType.Pkcs12, "right"), TestContext.Current.CancellationToken);
        var settings = new AggregatorSettings { DataFolder = _folder["data"], Listen = ["https://127.0.0.1:0"], Certificate = new CertificateSettings { Path = _folder["whole.pfx"], Password = "right" } };
        await using AggregatorServer server = await AggregatorServer.StartAsync(settings, Registry.CreateDefault(), ct: TestContext.Current.CancellationToken);
        Assert.StartsWith("https://127.0.0.1:", Assert.Single(server.Addresses), StringComparison.Ordinal);
    }

    private async Task RefusesAsync(AggregatorSettings settings, string code)
    {
        FedCoreException fault = await FaultOfAsync(settings);
        Assert.Equal((FaultKind.Configuration, code), (fault.Kind, fault.Code));
        Assert.False(Directory.Exists(_folder["data"]));
    }

    private async Task<FedCoreException> FaultOfAsync(AggregatorSettings settings) => await Assert.ThrowsAsync<FedCoreException>(
        () => AggregatorServer.StartAsync(settings with { DataFolder = _folder["data"] }, Registry.CreateDefault(), ct: TestContext.Current.CancellationToken));

    private static X509Certificate2 Certificate(string use)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(use)], critical: false));
        return request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
    }
}
