using System.Net;
using System.Net.Sockets;
using FedCore.Aggregator.Services;
using FedCore.Aggregator.Settings;
using FedCore.Protocol.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace FedCore.Aggregator.Hosting;

/// <summary>Where an aggregator listens. Without TLS it does so on loopback only, unless its settings say otherwise.</summary>
internal sealed class Endpoints : IDisposable
{
    private const int LeastBytesPerSecond = 100, ShortestGraceSeconds = 2;

    // Two chunks of an update: one that is being written down, and one that comes meanwhile.
    private const int RequestBufferBytes = 2 * EdgeService.ChunkBytes;

    private readonly List<Endpoint> _all = [];
    private readonly List<string> _insecure = [];
    private readonly ServerCertificate? _certificate;
    private readonly int _graceSeconds;

    /// <summary>Reads where to listen. Nothing is opened yet.</summary>
    /// <exception cref="FedCoreException">An address or the certificate is not as it must be (<c>aggregator.listen</c>, <c>aggregator.certificate</c>).</exception>
    public Endpoints(AggregatorSettings settings)
    {
        _graceSeconds = Math.Max(settings.LivenessSeconds, ShortestGraceSeconds);
        for (int i = 0; i < settings.Listen.Count; i++) Add(settings, $"listen[{i}]", settings.Listen[i]);
        _certificate = settings.Certificate is { } given ? ServerCertificate.Load(given, settings.PathOf) : null;
    }

    /// <summary>The addresses that other machines reach without TLS.</summary>
    public IReadOnlyList<string> Insecure => _insecure;

    /// <summary>Lets Kestrel listen. All ports serve HTTP/1.1 and HTTP/2.</summary>
    public void Configure(KestrelServerOptions kestrel, ProtocolSwitch either)
    {
        if (_all.Exists(endpoint => !endpoint.IsTls)) either.AddInner(kestrel);
        foreach (Endpoint endpoint in _all)
        {
            kestrel.Listen(endpoint.Place, options =>
            {
                if (endpoint.IsTls) options.UseHttps(https => (https.ServerCertificate, https.ServerCertificateChain) = (_certificate!.Leaf, _certificate.Chain));
                else either.Serve(options);
            });
        }

        // A slow line is no attack, and what is dead is found by pings over HTTP/2, and by its silence over HTTP/1.1; but who stops within a message is not waited for.
        kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(LeastBytesPerSecond, TimeSpan.FromSeconds(_graceSeconds));
        kestrel.Limits.MinResponseDataRate = null;
        kestrel.Limits.MaxRequestBufferSize = RequestBufferBytes;
        kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
        kestrel.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(30);
        kestrel.AddServerHeader = false;

        // A site's header fields are a few hundred bytes, the same in every call; answers have next to none.
        kestrel.Limits.Http2.HeaderTableSize = 1024;
        kestrel.AllowResponseHeaderCompression = false;
    }

    /// <summary>Lets the thread that has read from a socket pass on what came. Calls run elsewhere, so that none of them holds a connection up.</summary>
    public void Configure(SocketTransportOptions sockets) => (sockets.UnsafePreferInlineScheduling, sockets.CreateBoundListenSocket) = (true, Bind);

    public void Dispose() => _certificate?.Dispose();

    private void Add(AggregatorSettings settings, string key, string address)
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

        _all.Add(new Endpoint($"aggregator.{key} is {address}", new IPEndPoint(ip, uri.Port), isTls));
    }

    private static IPAddress AddressOf(Uri uri, string key)
    {
        if (uri.Host is "localhost") return IPAddress.Loopback;
        if (IPAddress.TryParse(uri.Host.Trim('[', ']'), out IPAddress? ip)) return ip;
        throw Fault("aggregator.listen", $"aggregator.{key} names the host '{Shown.Of(uri.Host)}'. Give the IP address to listen on, such as 0.0.0.0 for all, or localhost.");
    }

    private Socket Bind(EndPoint place)
    {
        try
        {
            return SocketTransportOptions.CreateDefaultBoundListenSocket(place);
        }
        catch (SocketException fault)
        {
            throw NotBound(_all.First(endpoint => endpoint.Place.Equals(place)).Setting, fault);
        }
    }

    // Other programs end, and networks come up, while a right is not given by waiting.
    private static FedCoreException NotBound(string setting, SocketException fault) => fault.SocketErrorCode switch
    {
        SocketError.AddressAlreadyInUse => FedCoreException.Unreachable("aggregator.listen", $"{setting}, where another program listens. Stop it, or choose another port.", fault),
        SocketError.AddressNotAvailable => FedCoreException.Unreachable(
            "aggregator.listen", $"{setting}, but this machine does not have that address, or not yet. Give one that it has, or 0.0.0.0 for all.", fault),
        SocketError.AccessDenied => FedCoreException.Configuration(
            "aggregator.listen", $"{setting}, where this user may not listen. Choose a port of 1024 or above, or give the service the right to (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE).", fault),
        _ => FedCoreException.Configuration("aggregator.listen", $"{setting}, where nobody can listen ({fault.Message.TrimEnd('.')}). Give another address.", fault),
    };

    private static FedCoreException Fault(string code, string message) => FedCoreException.Configuration(code, message);

    private sealed record Endpoint(string Setting, IPEndPoint Place, bool IsTls);
}
