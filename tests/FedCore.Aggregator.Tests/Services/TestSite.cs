using System.Buffers;
using System.Security.Cryptography;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>A site's client, call by call: it joins, asks for work, reads models and sends updates.</summary>
internal sealed class TestSite(TestAggregator aggregator, string name, string token)
{
    public string Name => name;

    public string Token => token;

    /// <summary>The number that the client drew once.</summary>
    public string Client { get; init; } = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    /// <summary>How often it was started.</summary>
    public long Start { get; init; } = 1;

    /// <summary>What this start of it has to itself.</summary>
    public string Process { get; init; } = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));

    /// <summary>Where its calls go; null for where all others do.</summary>
    public CallInvoker? Line { get; init; }

    public Edge.EdgeClient Edge => new(Line ?? aggregator.Invoker);

    public UploadsClient Uploads => new(Line ?? aggregator.Invoker);

    /// <summary>Another client with the same token.</summary>
    public TestSite Other() => new(aggregator, name, token);

    /// <summary>The client over another line.</summary>
    public TestSite Over(CallInvoker line) => new(aggregator, name, token) { Client = Client, Start = Start, Process = Process, Line = line };

    /// <summary>The client after it was started once more.</summary>
    public TestSite Restarted() => new(aggregator, name, token) { Client = Client, Start = Start + 1 };

    /// <summary>A client with a copy of its data folder, started as often.</summary>
    public TestSite Copied() => new(aggregator, name, token) { Client = Client, Start = Start };

    /// <summary>How it says which client it is.</summary>
    public string OnWire => $"{Client}.{Start}.{Process}";

    /// <summary>What goes with its calls.</summary>
    public CallOptions Options() => TestAggregator.Options(token, OnWire);

    public async Task<JoinReply> JoinAsync() => await JoinAsync(ByteString.Empty);

    /// <summary>Joins with an identity key.</summary>
    /// <param name="key">The public key.</param>
    /// <param name="roster">The roster by which it knows the others.</param>
    public async Task<JoinReply> JoinAsync(ByteString key, string roster = "") =>
        await Edge.JoinAsync(new JoinRequest { Software = "test/1", Cores = 2, IdentityKey = key, Roster = roster }, Options());

    /// <summary>One call for work, which breaks off when it is disposed of.</summary>
    /// <param name="atHand">The tasks that it has.</param>
    public AsyncUnaryCall<NextTaskReply> Poll(params string[] atHand)
    {
        var request = new NextTaskRequest();
        request.TasksAtHand.AddRange(atHand);
        return Edge.NextTaskAsync(request, Options());
    }

    /// <summary>Asks which of the runs for which it keeps something are over.</summary>
    public async Task<IReadOnlyList<KeptRun>> EndedAsync(params KeptRun[] kept) => (await Edge.NextTaskAsync(new NextTaskRequest { KeptRuns = { kept } }, Options())).EndedRuns;

    /// <summary>Asks for work until there is some.</summary>
    public async Task<TaskOffer> TaskAsync(params string[] atHand)
    {
        while (true)
            if ((await Poll(atHand)).Task is { } task) return task;
    }

    public async Task<UploadState> FindAsync(UploadHead head) => await Edge.FindUploadAsync(head, Options());

    /// <summary>Sends bytes of an update from an offset on in one call; all where no count says otherwise.</summary>
    public async Task<UploadState> SendPartAsync(UploadHead head, byte[] update, int offset = 0, int? count = null) => await Uploads.SendPartAsync(
        new Chunk { Head = head, Offset = offset, Data = new ReadOnlySequence<byte>(update, offset, count ?? update.Length - offset) }, Options());

    /// <summary>Sends an update as a stream.</summary>
    /// <param name="head">What announces it.</param>
    /// <param name="update">The update.</param>
    /// <param name="offset">Where to begin.</param>
    public async Task<UploadState> StreamAsync(UploadHead head, byte[] update, int offset = 0)
    {
        const int chunk = 1 << 20;
        using AsyncClientStreamingCall<Chunk, UploadState> call = Uploads.Send(Options());
        try
        {
            for (int at = offset; at < update.Length; at += chunk)
            {
                var data = new ReadOnlySequence<byte>(update, at, Math.Min(chunk, update.Length - at));
                await call.RequestStream.WriteAsync(at == offset ? new Chunk { Head = head, Offset = offset, Data = data } : new Chunk { Data = data }, TestContext.Current.CancellationToken);
            }

            await call.RequestStream.CompleteAsync();
        }
        catch (RpcException)
        {
            // The aggregator has answered before the end.
        }

        return await call.ResponseAsync;
    }

    /// <summary>Answers a task with an update in one call.</summary>
    public Task<UploadState> AnswerAsync(TaskOffer task, byte[] update) => SendPartAsync(SmallRun.HeadOf(task.TaskId, update), update);

    public Task<byte[]> DownloadAsync(ByteString digest, long offset = 0) => DownloadAsync(new BlobsClient(Line ?? aggregator.Invoker), digest, offset, Options());

    public static async Task<byte[]> DownloadAsync(BlobsClient blobs, ByteString digest, long offset, CallOptions options)
    {
        using AsyncServerStreamingCall<Chunk> call = blobs.Download(new DownloadRequest { Digest = digest, Offset = offset }, options);
        var content = new ArrayBufferWriter<byte>();
        await foreach (Chunk chunk in call.ResponseStream.ReadAllAsync(TestContext.Current.CancellationToken))
            foreach (ReadOnlyMemory<byte> part in chunk.Data) content.Write(part.Span);
        return content.WrittenSpan.ToArray();
    }
}
