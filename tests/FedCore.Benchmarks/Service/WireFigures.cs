using System.Net.Sockets;
using FedCore.Protocol.Connections;
using FedCore.Protocol.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Web;

namespace FedCore.Benchmarks.Service;

/// <summary>Bytes that go over a site's connections for a model and for an update, over the bytes of their numbers.</summary>
internal static class WireFigures
{
    public static async Task RunAsync(Figures figures)
    {
        ServiceRun run = ServiceRun.Large(rounds: 1);
        using AggregatorProcess aggregator = await AggregatorProcess.StartAsync(sites: 1);
        var wire = new CountedWire();
        using SocketsHttpHandler sockets = OutboundConnections.Create(aggregator.Address);
        sockets.ConnectCallback = wire.ConnectAsync;
        using GrpcChannel channel = GrpcChannel.ForAddress(aggregator.Address, new GrpcChannelOptions { HttpHandler = sockets });
        CallInvoker invoker = channel.CreateCallInvoker();
        var edge = new Edge.EdgeClient(invoker);
        CallOptions options = LoadSite.OptionsOf(aggregator.Tokens[0]);
        using var web = new GrpcWebHandler(GrpcWebMode.GrpcWeb, sockets);
        using GrpcChannel http1 = SiteTransfers.Open(aggregator.Address, web);
        var transfers = new SiteTransfers(invoker, http1, await edge.JoinAsync(new JoinRequest { Software = "benchmark" }, options), options);
        await aggregator.CreateAsync(run);
        TaskOffer task = (await edge.NextTaskAsync(new NextTaskRequest(), options)).Task;

        double raw = run.Plan().ModelBytes;
        (long sent, long received) = (wire.Sent, wire.Received);
        await transfers.DownloadAsync(task.Model);
        figures.Report(ServiceSuite.Name, "wire_ratio_4mb_down", (wire.Received - received) / raw, "", new { received = wire.Received - received, sent = wire.Sent - sent });
        var update = new UpdateTemplate(run.Plan());
        (sent, received) = (wire.Sent, wire.Received);
        await transfers.UploadAsync(task.TaskId, update.Of(site: 0, round: 1));
        figures.Report(ServiceSuite.Name, "wire_ratio_4mb_up", (wire.Sent - sent) / raw, "", new { sent = wire.Sent - sent, received = wire.Received - received });
    }

    /// <summary>Makes connections, and counts what goes over them.</summary>
    private sealed class CountedWire
    {
        private long _sent, _received;

        public long Sent => Volatile.Read(ref _sent);

        public long Received => Volatile.Read(ref _received);

        public async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken ct)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(context.DnsEndPoint, ct);
            return new Counted(this, socket);
        }

        private sealed class Counted(CountedWire wire, Socket socket) : NetworkStream(socket, ownsSocket: true)
        {
            public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
            {
                int count = await base.ReadAsync(buffer, cancellationToken);
                Interlocked.Add(ref wire._received, count);
                return count;
            }

            public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
            {
                Interlocked.Add(ref wire._sent, buffer.Length);
                return base.WriteAsync(buffer, cancellationToken);
            }
        }
    }
}
