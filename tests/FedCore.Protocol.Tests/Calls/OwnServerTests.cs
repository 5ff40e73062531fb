using System.Net;
using FedCore.Protocol.Tests.Probing;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Web;

namespace FedCore.Protocol.Tests.Calls;

/// <summary>Our client and our server.</summary>
public sealed class OwnServerTests(OwnHost host) : StreamSuite(host), IClassFixture<OwnHost>;

/// <summary>Our client and our server over HTTP/1.1.</summary>
public sealed class WebServerTests(WebHost host) : UpStreamSuite(host), IClassFixture<WebHost>
{
    // HTTP/1.1 has the answer behind the question: the server waits some seconds for the rest of it and then breaks off.
    [Fact]
    public async Task A_writer_whom_the_server_has_answered_early_learns_that_the_call_is_over_and_not_the_answer()
    {
        using AsyncClientStreamingCall<Ask, Answer> call = Client.ClientStream(Within.Options());
        RpcException failure = await Assert.ThrowsAsync<RpcException>(async () =>
        {
            await call.RequestStream.WriteAsync(Failing());
            while (true) await call.RequestStream.WriteAsync(new Ask { Payload = ByteString.CopyFrom(Bytes(ChunkBytes)) });
        });
        Assert.Equal(StatusCode.Unavailable, failure.StatusCode);
        Assert.Equal(StatusCode.Unavailable, (await Assert.ThrowsAsync<RpcException>(async () => await call)).StatusCode);
    }
}

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
