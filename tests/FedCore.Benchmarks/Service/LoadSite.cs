using System.Security.Cryptography;
using FedCore.Protocol.Connections;
using FedCore.Protocol.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Web;

namespace FedCore.Benchmarks.Service;

/// <summary>
/// A site that does what a client does but for making updates: it joins, waits for work, fetches the model, and sends an update that was there before, with its digest.
/// </summary>
internal sealed class LoadSite(SiteLoad load, string token, int number, IReadOnlyDictionary<string, UpdateTemplate> updates, SiteNews news)
{
    private const int MaxMessageBytes = 64 << 20;

    private readonly CallOptions _options = OptionsOf(token);

    /// <summary>What every call of a site says: who calls, and in which version of the protocol.</summary>
    public static CallOptions OptionsOf(string token) => new(new Metadata
    {
        { "authorization", "Bearer " + token },
        { ProtocolVersion.Field, ProtocolVersion.Current },
        { ProtocolVersion.ClientField, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)) + ".1.0011223344556677" },
    });

    public async Task RunAsync(SemaphoreSlim connecting)
    {
        using SocketsHttpHandler sockets = OutboundConnections.Create(load.Address);
        if (load.Certificate is { } certificate) sockets.SslOptions = PrivateAuthority.TrustIn(certificate, (what, cause) => FedCoreException.Configuration("benchmark.certificate", what, cause));
        await RunAsync(sockets, connecting);
    }

    private async Task RunAsync(SocketsHttpHandler sockets, SemaphoreSlim connecting)
    {
        using GrpcChannel channel = GrpcChannel.ForAddress(load.Address, new GrpcChannelOptions { HttpHandler = sockets, MaxReceiveMessageSize = MaxMessageBytes });
        CallInvoker invoker = channel.CreateCallInvoker();
        var edge = new Edge.EdgeClient(invoker);
        JoinReply joined;
        await connecting.WaitAsync();
        try
        {
            joined = await edge.JoinAsync(new JoinRequest { Software = "benchmark" }, _options);
        }
        finally
        {
            connecting.Release();
        }

        using var web = new GrpcWebHandler(GrpcWebMode.GrpcWeb, sockets);
        using GrpcChannel http1 = SiteTransfers.Open(load.Address, web);
        var transfers = new SiteTransfers(invoker, http1, joined, _options);
        AsyncUnaryCall<NextTaskReply> next = edge.NextTaskAsync(new NextTaskRequest(), _options);
        news.Waits();
        while (true)
        {
            NextTaskReply reply = await next;
            if (reply.Task is { } task)
            {
                news.Takes(task.RunId, task.Round);
                if (!load.Answers) await Task.Delay(Timeout.Infinite);
                if (task.ModelContent.IsEmpty) await transfers.DownloadAsync(task.Model);
                await transfers.UploadAsync(task.TaskId, updates[task.RunId].Of(number, task.Round));
            }

            next = edge.NextTaskAsync(new NextTaskRequest(), _options);
        }
    }
}
