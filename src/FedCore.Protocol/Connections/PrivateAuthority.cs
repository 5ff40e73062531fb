using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace FedCore.Protocol.Connections;

/// <summary>Trust in servers whose certificates a private authority has signed.</summary>
internal static class PrivateAuthority
{
    /// <summary>TLS that trusts the certificates in a PEM file, and nothing else.</summary>
    /// <param name="path">The file.</param>
    public static SslClientAuthenticationOptions TrustIn(string path)
    {
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(path);
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(roots);
        return new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
    }
}
