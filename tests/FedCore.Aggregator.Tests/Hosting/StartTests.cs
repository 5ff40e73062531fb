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

    [Fact]
    public async Task Where_it_cannot_listen_for_the_web_nothing_is_written() => await RefusesAsync(new AggregatorSettings { ListenWeb = "http://0.0.0.0:0" }, "aggregator.listen");

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
        string data = _folder["data"];
        var fault = await Assert.ThrowsAsync<FedCoreException>(
            () => AggregatorServer.StartAsync(settings with { DataFolder = data }, Registry.CreateDefault(), ct: TestContext.Current.CancellationToken));
        Assert.Equal(code, fault.Code);
        Assert.False(Directory.Exists(data));
    }

    private static X509Certificate2 Certificate(string use)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(use)], critical: false));
        return request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
    }
}
