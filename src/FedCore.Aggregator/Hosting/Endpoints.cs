using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FedCore.Aggregator.Settings;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace FedCore.Aggregator.Hosting;

/// <summary>Where an aggregator listens. Without TLS it does so on loopback only, unless its settings say otherwise.</summary>
internal static class Endpoints
{
    private const int LeastBytesPerSecond = 100, ShortestGraceSeconds = 2;

    /// <summary>Checks the addresses and lets Kestrel listen on them.</summary>
    /// <returns>The addresses that other machines reach without TLS.</returns>
    /// <exception cref="FedCoreException">An address or the certificate is not as it must be (<c>aggregator.listen</c>, <c>aggregator.certificate</c>).</exception>
    public static IReadOnlyList<string> Configure(KestrelServerOptions kestrel, AggregatorSettings settings)
    {
        X509Certificate2? certificate = settings.Certificate is { } given ? Load(given, settings.PathOf) : null;
        var insecure = new List<string>();
        for (int i = 0; i < settings.Listen.Count; i++) Listen(kestrel, settings, $"listen[{i}]", settings.Listen[i], certificate, HttpProtocols.Http2, insecure);
        if (settings.ListenWeb is { } web) Listen(kestrel, settings, "listenWeb", web, certificate, HttpProtocols.Http1, insecure);

        // A slow line is no attack, and what is dead is found by pings; but who stops within a message is not waited for.
        kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(LeastBytesPerSecond, TimeSpan.FromSeconds(Math.Max(settings.LivenessSeconds, ShortestGraceSeconds)));
        kestrel.Limits.MinResponseDataRate = null;
        kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
        kestrel.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(30);
        kestrel.AddServerHeader = false;

        // A site's header fields are a few hundred bytes, the same in every call; answers have next to none.
        kestrel.Limits.Http2.HeaderTableSize = 1024;
        kestrel.AllowResponseHeaderCompression = false;
        return insecure;
    }

    /// <summary>Lets the thread that has read from a socket pass on what came. Calls run elsewhere, so that none of them holds a connection up.</summary>
    public static void Configure(SocketTransportOptions sockets) => sockets.UnsafePreferInlineScheduling = true;

    private static void Listen(
        KestrelServerOptions kestrel, AggregatorSettings settings, string key, string address, X509Certificate2? certificate, HttpProtocols plain, List<string> insecure)
    {
        if (!Uri.TryCreate(address, UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("http" or "https") || uri.PathAndQuery != "/")
            throw Fault("aggregator.listen", $"aggregator.{key} is '{Shown.Of(address)}'. Give an address such as https://0.0.0.0:8443 or http://127.0.0.1:8470.");
        bool isTls = uri.Scheme == "https";
        if (isTls && certificate is null)
            throw Fault("aggregator.certificate", $"aggregator.{key} is {address}, but there is no certificate. Set aggregator.certificate.path.");
        IPAddress[] addresses = AddressesOf(uri, key);
        if (!isTls && !Array.TrueForAll(addresses, IPAddress.IsLoopback))
        {
            if (!settings.AllowInsecure)
            {
                throw Fault("aggregator.listen", $"aggregator.{key} is {address}, which other machines reach without TLS. Use https with a certificate, or an address on loopback; "
                    + "aggregator.allowInsecure lets it be, for networks that are protected otherwise.");
            }

            insecure.Add(address);
        }

        foreach (IPAddress ip in addresses)
        {
            kestrel.Listen(ip, uri.Port, options =>
            {
                options.Protocols = isTls ? HttpProtocols.Http1AndHttp2 : plain;
                if (isTls) options.UseHttps(certificate!);
            });
        }
    }

    private static IPAddress[] AddressesOf(Uri uri, string key)
    {
        if (uri.Host is "localhost") return [IPAddress.Loopback];
        if (IPAddress.TryParse(uri.Host.Trim('[', ']'), out IPAddress? ip)) return [ip];
        throw Fault("aggregator.listen", $"aggregator.{key} names the host '{Shown.Of(uri.Host)}'. Give the IP address to listen on, such as 0.0.0.0 for all, or localhost.");
    }

    private static X509Certificate2 Load(CertificateSettings settings, Func<string, string> pathOf)
    {
        string path = pathOf(settings.Path);
        string? keyPath = settings.KeyPath is { } key ? pathOf(key) : null;
        try
        {
            if (Path.GetExtension(path) is ".pfx" or ".p12") return X509CertificateLoader.LoadPkcs12FromFile(path, settings.Password);
            using X509Certificate2 pem = settings.Password is { } password
                ? X509Certificate2.CreateFromEncryptedPemFile(path, password, keyPath)
                : X509Certificate2.CreateFromPemFile(path, keyPath);

            // Windows' TLS wants a key of its own store.
            return OperatingSystem.IsWindows() ? X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null) : new X509Certificate2(pem);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw FedCoreException.Configuration(
                "aggregator.certificate", $"aggregator.certificate: {Shown.Of(path, 400)} cannot be used ({fault.Message.TrimEnd('.')}). Give a PEM file with a certificate and its key, or a PKCS #12 file, and its password.", fault);
        }
    }

    private static FedCoreException Fault(string code, string message) => FedCoreException.Configuration(code, message);
}
