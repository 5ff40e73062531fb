using System.Net;
using System.Net.Sockets;
using FedCore.Protocol.Tests.Probing;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Web;

namespace FedCore.Protocol.Tests.Calls;

/// <summary>What surrounds a call.</summary>
public class ContextTests
{
    [Fact]
    public async Task A_call_knows_its_method_its_peer_and_its_deadline()
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        using GrpcChannel channel = server.Channel();
        var client = new Probe.ProbeClient(channel);
        DateTime deadline = DateTime.UtcNow + Within.Patience;
        await client.UnaryAsync(new Ask(), deadline: deadline);
        Assert.Equal("/fedcore.tests.Probe/Unary", server.Service.LastUnary.Method);
        Assert.StartsWith("ipv4:127.0.0.1:", server.Service.LastUnary.Peer, StringComparison.Ordinal);
        Assert.InRange(server.Service.LastUnary.Deadline, deadline.AddSeconds(-5), deadline.AddSeconds(5));

        await client.UnaryAsync(new Ask());
        Assert.Equal(DateTime.MaxValue, server.Service.LastUnary.Deadline);
        await client.UnaryAsync(new Ask(), deadline: DateTime.MaxValue);
        Assert.Equal(DateTime.MaxValue, server.Service.LastUnary.Deadline);
    }

    [Fact]
    public async Task A_deadline_must_be_in_UTC()
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        using GrpcChannel channel = server.Channel();
        Assert.Throws<InvalidOperationException>(() => { new Probe.ProbeClient(channel).UnaryAsync(new Ask(), deadline: DateTime.Now.AddDays(1)); });
    }

    [Fact]
    public async Task A_status_is_there_when_the_call_has_ended_and_not_before()
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        using GrpcChannel channel = server.Channel();
        using AsyncUnaryCall<Answer> call = new Probe.ProbeClient(channel).UnaryAsync(Ask.For("wait", "x"), Within.Options());
        await server.Service.SignalAsync("x begun");
        Assert.Throws<InvalidOperationException>(() => call.GetStatus());
        Assert.Throws<InvalidOperationException>(() => call.GetTrailers());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Calls_one_after_the_other_use_one_connection(bool isWeb)
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        int connections = 0;
        using var http = new SocketsHttpHandler
        {
            ConnectCallback = async (context, ct) =>
            {
                Interlocked.Increment(ref connections);
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                await socket.ConnectAsync(context.DnsEndPoint, ct);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        using GrpcChannel channel = isWeb
            ? GrpcChannel.ForAddress(server.WebAddress, new GrpcChannelOptions { HttpHandler = new GrpcWebHandler(GrpcWebMode.GrpcWeb, http), HttpVersion = HttpVersion.Version11 })
            : server.Channel(new GrpcChannelOptions { HttpHandler = http });
        var client = new Probe.ProbeClient(channel);
        for (int i = 0; i < 20; i++)
        {
            await client.UnaryAsync(new Ask(), Within.Options());
            await Assert.ThrowsAsync<RpcException>(async () => await client.UnaryAsync(Ask.For("fail"), Within.Options()));
            using AsyncServerStreamingCall<Answer> call = client.ServerStream(Ask.For("", count: 3), Within.Options());
            while (await call.ResponseStream.MoveNext()) ;
        }

        Assert.Equal(1, connections);
    }
}
