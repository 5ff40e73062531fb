using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FedCore.Aggregator.Settings;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace FedCore.Aggregator.Hosting;

/// <summary>Where an aggregator listens. Without TLS it does so on loopback only, unless its settings say otherwise.</summary>
internal sealed class Endpoints : IDisposable
{
    private const int LeastBytesPerSecond = 100, ShortestGraceSeconds = 2;
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    private readonly List<Endpoint> _all = [];
    private readonly List<string> _insecure = [];
    private readonly X509Certificate2? _certificate;
    private readonly int _graceSeconds;

    /// <summary>Reads where to listen. Nothing is opened yet.</summary>
    /// <exception cref="FedCoreException">An address or the certificate is not as it must be (<c>aggregator.listen</c>, <c>aggregator.certificate</c>).</exception>
    public Endpoints(AggregatorSettings settings)
    {
        _graceSeconds = Math.Max(settings.LivenessSeconds, ShortestGraceSeconds);
        for (int i = 0; i < settings.Listen.Count; i++) Add(settings, $"listen[{i}]", settings.Listen[i], HttpProtocols.Http2);
        if (settings.ListenWeb is { } web) Add(settings, "listenWeb", web, HttpProtocols.Http1);
        _certificate = settings.Certificate is { } given ? Load(given, settings.PathOf) : null;
    }

    /// <summary>The addresses that other machines reach without TLS.</summary>
    public IReadOnlyList<string> Insecure => _insecure;

    /// <summary>Lets Kestrel listen.</summary>
    public void Configure(KestrelServerOptions kestrel)
    {
        foreach (Endpoint endpoint in _all)
        {
            kestrel.Listen(endpoint.Ip, endpoint.Port, options =>
            {
                options.Protocols = endpoint.Protocols;
                if (endpoint.IsTls) options.UseHttps(_certificate!);
            });
        }

        // A slow line is no attack, and what is dead is found by pings; but who stops within a message is not waited for.
        kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(LeastBytesPerSecond, TimeSpan.FromSeconds(_graceSeconds));
        kestrel.Limits.MinResponseDataRate = null;
        kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
        kestrel.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(30);
        kestrel.AddServerHeader = false;

        // A site's header fields are a few hundred bytes, the same in every call; answers have next to none.
        kestrel.Limits.Http2.HeaderTableSize = 1024;
        kestrel.AllowResponseHeaderCompression = false;
    }

    /// <summary>Lets the thread that has read from a socket pass on what came. Calls run elsewhere, so that none of them holds a connection up.</summary>
    public static void Configure(SocketTransportOptions sockets) => sockets.UnsafePreferInlineScheduling = true;

    public void Dispose() => _certificate?.Dispose();

    private void Add(AggregatorSettings settings, string key, string address, HttpProtocols plain)
    {
        if (!Uri.TryCreate(address, UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("http" or "https") || uri.PathAndQuery != "/")
            throw Fault("aggregator.listen", $"aggregator.{key} is '{Shown.Of(address)}'. Give an address such as https://0.0.0.0:8443 or http://127.0.0.1:8470.");
        bool isTls = uri.Scheme == "https";
        if (isTls && settings.Certificate is null)
            throw Fault("aggregator.certificate", $"aggregator.{key} is {address}, but there is no certificate. Set aggregator.certificate.path.");
        IPAddress ip = AddressOf(uri, key);
        if (!isTls && !IPAddress.IsLoopback(ip))
        {
            if (!settings.AllowInsecure)
            {
                throw Fault("aggregator.listen", $"aggregator.{key} is {address}, which other machines reach without TLS. Use https with a certificate, or an address on loopback; "
                    + "aggregator.allowInsecure lets it be, for networks that are protected otherwise.");
            }

            _insecure.Add(address);
        }

        _all.Add(new Endpoint(ip, uri.Port, isTls, isTls ? HttpProtocols.Http1AndHttp2 : plain));
    }

    private static IPAddress AddressOf(Uri uri, string key)
    {
        if (uri.Host is "localhost") return IPAddress.Loopback;
        if (IPAddress.TryParse(uri.Host.Trim('[', ']'), out IPAddress? ip)) return ip;
        throw Fault("aggregator.listen", $"aggregator.{key} names the host '{Shown.Of(uri.Host)}'. Give the IP address to listen on, such as 0.0.0.0 for all, or localhost.");
    }

    private static X509Certificate2 Load(CertificateSettings settings, Func<string, string> pathOf)
    {
        string path = pathOf(settings.Path);
        string? keyPath = settings.KeyPath is { } key ? pathOf(key) : null;
        X509Certificate2 certificate;
        try
        {
            certificate = Read(path, keyPath, settings.Password);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw Unusable(path, fault.Message.TrimEnd('.'), fault);
        }

        if (WhyUnfit(certificate) is not { } reason) return certificate;
        certificate.Dispose();
        throw Unusable(path, reason);
    }

    private static X509Certificate2 Read(string path, string? keyPath, string? password)
    {
        if (Path.GetExtension(path) is ".pfx" or ".p12") return X509CertificateLoader.LoadPkcs12FromFile(path, password);
        using X509Certificate2 pem = password is not null ? X509Certificate2.CreateFromEncryptedPemFile(path, password, keyPath) : X509Certificate2.CreateFromPemFile(path, keyPath);

        // Windows' TLS wants a key of its own store.
        return OperatingSystem.IsWindows() ? X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null) : new X509Certificate2(pem);
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

    private static FedCoreException Fault(string code, string message) => FedCoreException.Configuration(code, message);

    private sealed record Endpoint(IPAddress Ip, int Port, bool IsTls, HttpProtocols Protocols);
}
