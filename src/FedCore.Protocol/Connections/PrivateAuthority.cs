using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;

namespace FedCore.Protocol.Connections;

/// <summary>Trust in servers whose certificates a private authority has signed.</summary>
internal static class PrivateAuthority
{
    /// <summary>TLS that trusts the certificates in a PEM file, in place of what the machine trusts.</summary>
    /// <param name="path">The file.</param>
    /// <param name="fault">Makes the exception for a file that cannot be used: from what is wrong with it, and the cause.</param>
    public static SslClientAuthenticationOptions TrustIn(string path, Func<string, Exception?, Exception> fault)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        try
        {
            policy.CustomTrustStore.ImportFromPemFile(path);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw fault($"cannot be read ({cause.Message.TrimEnd('.')})", cause);
        }

        return policy.CustomTrustStore.Count > 0 ? new SslClientAuthenticationOptions { CertificateChainPolicy = policy } : throw fault("holds no certificate", null);
    }

    /// <summary>What is wrong with the server's certificate, where a call failed for that; null otherwise.</summary>
    /// <param name="fault">The call's fault, or one that it caused.</param>
    public static string? DistrustIn(Exception? fault)
    {
        for (Exception? cause = fault; cause is not null; cause = (cause as RpcException)?.Status.DebugException ?? cause.InnerException)
            if (cause is AuthenticationException) return cause.Message;
        return null;
    }
}
