using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FedCore.Aggregator.Hosting;
using FedCore.Aggregator.Settings;
using FedCore.Naming;
using FedCore.Tests;

namespace FedCore.Aggregator.Tests.Hosting;

/// <summary>What a client is shown that trusts a root which has signed the aggregator's certificate by way of another one.</summary>
public sealed class CertificateChainTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly X509Certificate2 _root = Authority("FedCore test root", null);

    public void Dispose()
    {
        _root.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("fullchain.pem")]
    [InlineData("chain.pfx")]
    public async Task A_client_that_trusts_the_root_alone_connects(string file)
    {
        using X509Certificate2 intermediate = Authority("FedCore test intermediate", _root), leaf = Leaf(intermediate);
        using ECDsa key = leaf.GetECDsaPrivateKey()!;
        _folder.File("fullchain.pem", leaf.ExportCertificatePem() + "\n" + intermediate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem());
        using X509Certificate2 signer = X509CertificateLoader.LoadCertificate(intermediate.RawData);
        await File.WriteAllBytesAsync(_folder["chain.pfx"], new X509Certificate2Collection { signer, leaf }.Export(X509ContentType.Pkcs12)!, TestContext.Current.CancellationToken);
        var settings = new AggregatorSettings { DataFolder = _folder["data"], Listen = ["https://127.0.0.1:0"], Certificate = new CertificateSettings { Path = _folder[file] } };
        await using AggregatorServer server = await AggregatorServer.StartAsync(settings, Registry.CreateDefault(), ct: TestContext.Current.CancellationToken);

        await ConnectAsync(new Uri(Assert.Single(server.Addresses)));
    }

    private async Task ConnectAsync(Uri address)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(address.Host, address.Port, TestContext.Current.CancellationToken);
        await using var tls = new SslStream(client.GetStream());
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true };
        policy.CustomTrustStore.Add(_root);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", CertificateChainPolicy = policy }, TestContext.Current.CancellationToken);
    }

    private static X509Certificate2 Authority(string name, X509Certificate2? signer)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, critical: true));
        return Sign(request, key, signer);
    }

    private static X509Certificate2 Leaf(X509Certificate2 signer)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        return Sign(request, key, signer);
    }

    private static X509Certificate2 Sign(CertificateRequest request, ECDsa key, X509Certificate2? signer)
    {
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        if (signer is null) return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        using X509Certificate2 signed = request.Create(signer, signer.NotBefore, signer.NotAfter, RandomNumberGenerator.GetBytes(8));
        return signed.CopyWithPrivateKey(key);
    }
}
