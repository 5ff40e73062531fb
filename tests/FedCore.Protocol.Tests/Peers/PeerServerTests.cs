using FedCore.Protocol.Tests.Calls;
using Grpc.Core;
using Grpc.Net.Client;

namespace FedCore.Protocol.Tests.Peers;

/// <summary>Our client and grpcio's server.</summary>
public sealed class PythonServerTests(PythonHost host) : StreamSuite(host), IClassFixture<PythonHost>;

/// <summary>Our client and the server of @grpc/grpc-js.</summary>
public sealed class NodeServerTests(NodeHost host) : StreamSuite(host), IClassFixture<NodeHost>;

public sealed class PythonHost : PeerHost
{
    private protected override Task<Peer> FindAsync() => Peer.PythonAsync();
}

public sealed class NodeHost : PeerHost
{
    private protected override Task<Peer> FindAsync() => Peer.NodeAsync();
}

/// <summary>A server in another language.</summary>
public abstract class PeerHost : ProbeHost
{
    private PeerProcess? _process;

    private protected abstract Task<Peer> FindAsync();

    internal override async Task<GrpcChannel?> StartAsync()
    {
        Peer peer = await FindAsync();
        Absence = peer.Absence;
        if (Absence is not null) return null;
        _process = new PeerProcess(peer.Server);
        return GrpcChannel.ForAddress($"http://127.0.0.1:{await _process.ReadLineAsync()}");
    }

    internal override async Task StopAsync()
    {
        if (_process is not null) await _process.DisposeAsync();
    }
}

public class KilledServerTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_server_that_is_killed_in_a_call_is_unavailable_and_stays_so(bool isNode)
    {
        Peer peer = await (isNode ? Peer.NodeAsync() : Peer.PythonAsync());
        Assert.SkipWhen(peer.Absence is not null, peer.Absence ?? "");
        await using var process = new PeerProcess(peer.Server);
        using GrpcChannel channel = GrpcChannel.ForAddress($"http://127.0.0.1:{await process.ReadLineAsync()}");
        var client = new Probe.ProbeClient(channel);
        using AsyncUnaryCall<Answer> unary = client.UnaryAsync(Ask.For("wait", "unary"), Within.Options());
        using AsyncServerStreamingCall<Answer> stream = client.ServerStream(Ask.For("wait", "stream", 1), Within.Options());
        using AsyncClientStreamingCall<Ask, Answer> upload = client.ClientStream(Within.Options());
        Assert.True(await stream.ResponseStream.MoveNext());
        await upload.RequestStream.WriteAsync(new Ask());
        await client.UnaryAsync(Ask.For("signal", "unary begun"), Within.Options());
        process.Kill();

        Assert.Equal(StatusCode.Unavailable, (await Assert.ThrowsAsync<RpcException>(async () => await unary)).StatusCode);
        Assert.Equal(StatusCode.Unavailable, (await Assert.ThrowsAsync<RpcException>(() => stream.ResponseStream.MoveNext())).StatusCode);

        Exception write = await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            while (true) await upload.RequestStream.WriteAsync(new Ask());
        });
#if !GRPC_DOTNET
        // The packages' writer tells of the broken connection as it is.
        Assert.Equal(StatusCode.Unavailable, Assert.IsType<RpcException>(write).StatusCode);
#endif
        RpcException refused = await Assert.ThrowsAsync<RpcException>(async () => await client.UnaryAsync(new Ask(), Within.Options()));
        Assert.Equal(StatusCode.Unavailable, refused.StatusCode);
    }
}
