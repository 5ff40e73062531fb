using System.Net;
using FedCore.Protocol.Tests.Probing;
using Grpc.Net.Client;
using Grpc.Net.Client.Web;

namespace FedCore.Protocol.Tests.Calls;

/// <summary>Our client and our server.</summary>
public sealed class OwnServerTests(OwnHost host) : StreamSuite(host), IClassFixture<OwnHost>;

/// <summary>Our client and our server over HTTP/1.1.</summary>
public sealed class WebServerTests(WebHost host) : CallSuite(host), IClassFixture<WebHost>;

public sealed class OwnHost : ProbeHost
{
    private ProbeServer? _server;

    internal override async Task<GrpcChannel?> StartAsync() => (_server = await ProbeServer.StartAsync()).Channel();

    internal override async Task StopAsync() => await _server!.DisposeAsync();
}

public sealed class WebHost : ProbeHost
{
    private readonly SocketsHttpHandler _http = new();
    private ProbeServer? _server;

    internal override async Task<GrpcChannel?> StartAsync()
    {
        _server = await ProbeServer.StartAsync();
        var options = new GrpcChannelOptions { HttpHandler = new GrpcWebHandler(GrpcWebMode.GrpcWeb, _http), HttpVersion = HttpVersion.Version11 };
        return GrpcChannel.ForAddress(_server.WebAddress, options);
    }

    internal override async Task StopAsync()
    {
        _http.Dispose();
        await _server!.DisposeAsync();
    }
}
