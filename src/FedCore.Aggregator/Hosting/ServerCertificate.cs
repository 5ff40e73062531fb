using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FedCore.Aggregator.Settings;

namespace FedCore.Aggregator.Hosting;

/// <summary>The certificate of the https addresses, with its key, and those that it was signed with, which clients that trust the root alone need to see.</summary>
internal sealed class ServerCertificate : IDisposable
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    private ServerCertificate(X509Certificate2 leaf, X509Certificate2Collection chain) => (Leaf, Chain) = (leaf, chain);

    /// <summary>The server's own certificate.</summary>
    public X509Certificate2 Leaf { get; }

    /// <summary>What else the file holds.</summary>
    public X509Certificate2Collection Chain { get; }

    /// <summary>Reads a certificate.</summary>
    /// <exception cref="FedCoreException">It is not as it must be (<c>aggregator.certificate</c>).</exception>
    public static ServerCertificate Load(CertificateSettings settings, Func<string, string> pathOf)
    {
        string path = pathOf(settings.Path);
        string? keyPath = settings.KeyPath is { } key ? pathOf(key) : null;
        ServerCertificate certificate;
        try
        {
            certificate = Path.GetExtension(path) is ".pfx" or ".p12" ? ReadPkcs12(path, settings.Password) : ReadPem(path, keyPath, settings.Password);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw Unusable(path, fault.Message.TrimEnd('.'), fault);
        }

        if (WhyUnfit(certificate.Leaf) is not { } reason) return certificate;
        certificate.Dispose();
        throw Unusable(path, reason);
    }

    public void Dispose()
    {
        Leaf.Dispose();
        foreach (X509Certificate2 signer in Chain) signer.Dispose();
    }

    // The file may hold its certificates in any order; the server's is the one with a key.
    private static ServerCertificate ReadPkcs12(string path, string? password)
    {
        X509Certificate2Collection all = X509CertificateLoader.LoadPkcs12CollectionFromFile(path, password);
        X509Certificate2 leaf = all.FirstOrDefault(one => one.HasPrivateKey) ?? all.FirstOrDefault() ?? throw new CryptographicException("it holds no certificate");
        all.Remove(leaf);
        return new ServerCertificate(leaf, all);
    }

    // The server's certificate is the first of the file.
    private static ServerCertificate ReadPem(string path, string? keyPath, string? password)
    {
        using X509Certificate2 pem = password is not null ? X509Certificate2.CreateFromEncryptedPemFile(path, password, keyPath) : X509Certificate2.CreateFromPemFile(path, keyPath);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(path);
        using (chain[0]) chain.RemoveAt(0);

        // Windows' TLS wants a key of its own store.
        return new ServerCertificate(OperatingSystem.IsWindows() ? X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null) : new X509Certificate2(pem), chain);
    }

    // What Kestrel would refuse once everything else is open.
    private static string? WhyUnfit(X509Certificate2 certificate)
    {
        if (!certificate.HasPrivateKey) return "it has no key";
        X509EnhancedKeyUsageExtension[] uses = [.. certificate.Extensions.OfType<X509EnhancedKeyUsageExtension>()];
        return uses.Length == 0 || Array.Exists(uses, use => use.EnhancedKeyUsages[ServerAuthentication] is not null) ? null : "it is for other uses than that of a server";
    }

    private static FedCoreException Unusable(string path, string why, Exception? cause = null) => FedCoreException.Configuration(
        "aggregator.certificate", $"aggregator.certificate: {Shown.Of(path, 400)} cannot be used ({why}). Give a PEM file with a certificate and its key, or a PKCS #12 file, and its password.", cause);
}
