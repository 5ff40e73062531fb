using System.Buffers;
using System.Security.Cryptography;
using FedCore.Protocol.Connections;
using FedCore.Protocol.V1;
using Grpc.Core;
using Grpc.Net.Client;

namespace FedCore.Benchmarks.Service;

/// <summary>A site that does what a client does but for the training and the disk: it joins, waits for work, fetches the model, and sends an update.</summary>
internal sealed class LoadSite(SiteLoad load, string token, int number, IReadOnlyDictionary<string, UpdateTemplate> updates, SiteNews news)
{
    private const int MaxMessageBytes = 64 << 20;

    private readonly CallOptions _options = OptionsOf(token);

    /// <summary>What every call of a site says: who calls, and in which version of the protocol.</summary>
    public static CallOptions OptionsOf(string token) => new(new Metadata
    {
        { "authorization", "Bearer " + token },
        { ProtocolVersion.Field, ProtocolVersion.Current },
        { ProtocolVersion.ClientField, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)) + ".1" },
    });

    public async Task RunAsync(SemaphoreSlim connecting)
    {
        using var sockets = new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false };
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

        var transfers = new SiteTransfers(invoker, edge, joined, _options);
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
                await AnswerAsync(transfers, task);
            }

            next = edge.NextTaskAsync(new NextTaskRequest(), _options);
        }
    }

    private async Task AnswerAsync(SiteTransfers transfers, TaskOffer task)
    {
        UpdateTemplate template = updates[task.RunId];
        byte[] bytes = ArrayPool<byte>.Shared.Rent(template.Length);
        try
        {
            Memory<byte> update = bytes.AsMemory(0, template.Length);
            template.CopyTo(update.Span, number, task.Round);
            await transfers.UploadAsync(task.TaskId, update);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }
}
