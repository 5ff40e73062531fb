using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using FedCore.Protocol.Connections;
using FedCore.Protocol.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace FedCore.Client.Tests.Fakes;

/// <summary>
/// An aggregator that does what a test says, on real sockets of the loopback address. A site's token is its name. What happens is on record, and can be waited for.
/// </summary>
internal sealed class FakeAggregator : IAsyncDisposable
{
    public const string Site = "north";

    private readonly Lock _lock = new();
    private readonly Dictionary<string, List<TaskOffer>> _offers = [];
    private readonly WebApplication _app;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private FakeAggregator(WebApplication app) => _app = app;

    /// <summary>What clients are told when they join.</summary>
    public JoinReply Terms { get; } = new() { PollSeconds = 5, LivenessSeconds = 3, InlineBytes = 64 << 10, ChunkBytes = 1 << 20 };

    /// <summary>The address for HTTP/1.1 and HTTP/2.</summary>
    public string Address { get; private set; } = "";

    /// <summary>An address for HTTP/1.1 alone, as behind some proxies.</summary>
    public string Http1Address { get; private set; } = "";

    /// <summary>An address for HTTP/2 alone, as behind others.</summary>
    public string Http2Address { get; private set; } = "";

    /// <summary>All calls, in order: the method's name, and the message where it is one.</summary>
    public ConcurrentQueue<(string Method, IMessage? Message)> Calls { get; } = new();

    /// <summary>The metadata of the last call.</summary>
    public Metadata? LastHeaders { get; private set; }

    /// <summary>Contents by digest, in hexadecimal digits.</summary>
    public ConcurrentDictionary<string, byte[]> Contents { get; } = new();

    /// <summary>Uploads by task.</summary>
    public ConcurrentDictionary<string, FakeUpload> Uploads { get; } = new();

    /// <summary>Comes before each call; may throw.</summary>
    public Func<string, ServerCallContext, Task> OnCall { get; set; } = (_, _) => Task.CompletedTask;

    /// <summary>Comes before a chunk of a blob is sent: bytes that were sent so far; may break the connection.</summary>
    public Func<long, ServerCallContext, Task> OnBlob { get; set; } = (_, _) => Task.CompletedTask;

    /// <summary>Whether a stream of an upload is answered before its end.</summary>
    public Func<FakeUpload, bool> HasEnough { get; set; } = _ => false;

    /// <summary>Comes before an update that goes in one call; may throw.</summary>
    public Func<UploadHead, Task> OnUpload { get; set; } = _ => Task.CompletedTask;

    /// <summary>Comes behind a chunk of an upload: the upload with its bytes so far; may break the connection.</summary>
    public Func<FakeUpload, ServerCallContext, Task> OnChunk { get; set; } = (_, _) => Task.CompletedTask;

    /// <summary>Comes when an upload was accepted, before the client hears of it.</summary>
    public Func<FakeUpload, ServerCallContext, Task> OnAccepted { get; set; } = (_, _) => Task.CompletedTask;

    /// <summary>What became of an update; null where that is not known yet.</summary>
    public Func<UnsettledTask, bool?> Settlement { get; set; } = _ => null;

    /// <summary>Which runs are said to be over where a site asks about some.</summary>
    public Func<IReadOnlyList<KeptRun>, IEnumerable<KeptRun>> Ended { get; set; } = _ => [];

    /// <summary>Hears of declined tasks.</summary>
    public Action<DeclineRequest> OnDeclined { get; set; } = _ => { };

    /// <param name="port">The port; 0 for any.</param>
    public static async Task<FakeAggregator> StartAsync(int port = 0)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.ClearProviders();
        var either = new ProtocolSwitch(TimeProvider.System);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(options =>
        {
            either.AddInner(options);
            options.Listen(IPAddress.Loopback, port, either.Serve);
            options.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1);
            options.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2);
        });
        builder.Services.AddSingleton<IConnectionListenerFactory>(either).AddRoutingCore();
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(provider => provider.GetRequiredService<Holder>().Value!);
        builder.Services.AddSingleton<Holder>().AddSingleton<FakeEdge>().AddSingleton<FakeUploads>().AddSingleton<FakeBlobs>();
        WebApplication app = builder.Build();
        var fake = new FakeAggregator(app);
        app.Services.GetRequiredService<Holder>().Value = fake;
        app.UseGrpcWeb(new GrpcWebOptions { DefaultEnabled = true });
        app.MapGrpcService<FakeEdge>();
        app.MapGrpcService<FakeUploads>();
        app.MapGrpcService<FakeBlobs>();
        await app.StartAsync(TestContext.Current.CancellationToken);
        string[] urls = [.. app.Urls.Where(url => !ProtocolSwitch.IsInner(url))];
        (fake.Address, fake.Http1Address, fake.Http2Address) = (urls[0], urls[1], urls[2]);
        return fake;
    }

    /// <summary>Puts a content into the store.</summary>
    public Blob Put(byte[] content)
    {
        byte[] digest = SHA256.HashData(content);
        Contents[Convert.ToHexStringLower(digest)] = content;
        return new Blob { Digest = ByteString.CopyFrom(digest), Length = content.Length };
    }

    /// <summary>Gives a site a task.</summary>
    public void Offer(TaskOffer offer, string site = Site)
    {
        lock (_lock)
        {
            if (!_offers.TryGetValue(site, out List<TaskOffer>? list)) _offers[site] = list = [];
            list.Add(offer);
        }

        Beat();
    }

    /// <summary>Takes a task from everybody.</summary>
    public void Withdraw(string task)
    {
        lock (_lock)
            foreach (List<TaskOffer> list in _offers.Values) list.RemoveAll(offer => offer.TaskId == task);
        Beat();
    }

    public bool IsWanted(string task, string site)
    {
        lock (_lock) return _offers.TryGetValue(site, out List<TaskOffer>? list) && list.Exists(offer => offer.TaskId == task);
    }

    public TaskOffer? NextFor(string site, ICollection<string> atHand)
    {
        lock (_lock) return _offers.TryGetValue(site, out List<TaskOffer>? list) ? list.Find(offer => !atHand.Contains(offer.TaskId)) : null;
    }

    /// <summary>Ends with the next thing that happens.</summary>
    public Task Changed
    {
        get
        {
            lock (_lock) return _changed.Task;
        }
    }

    /// <summary>Waits until something is so: at once where a call brings it about, and otherwise soon. What is not so after a minute never will be.</summary>
    public async Task WaitAsync(Func<bool> isSo)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromMinutes(1));
        for (Task changed = Changed; !isSo(); changed = Changed)
        {
            if (limit.IsCancellationRequested) throw new TimeoutException("What a test waits for did not happen within a minute.");
            await Task.WhenAny(changed, Task.Delay(TimeSpan.FromMilliseconds(50), TestContext.Current.CancellationToken));
        }
    }

    /// <summary>Waits for a number of calls.</summary>
    public Task WaitForCallsAsync(string method, int count) => WaitAsync(() => Count(method) >= count);

    public int Count(string method) => Calls.Count(call => call.Method == method);

    public IEnumerable<T> Messages<T>()
        where T : IMessage => Calls.Select(call => call.Message).OfType<T>();

    /// <summary>Waits until an update was accepted.</summary>
    public async Task<byte[]> AcceptedAsync(string task)
    {
        await WaitAsync(() => Uploads.TryGetValue(task, out FakeUpload? upload) && upload.IsAccepted);
        return Uploads[task].Content;
    }

    /// <summary>Lets everybody who waits look again.</summary>
    public void Beat()
    {
        TaskCompletionSource old;
        lock (_lock) (old, _changed) = (_changed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        old.SetResult();
    }

    /// <summary>Takes note of a call.</summary>
    public async Task EnterAsync(string method, IMessage? message, ServerCallContext context)
    {
        LastHeaders = context.RequestHeaders;
        Calls.Enqueue((method, message?.GetType().GetMethod("Clone")!.Invoke(message, null) as IMessage));
        Beat();
        await OnCall(method, context);
    }

    public static string SiteOf(ServerCallContext context) => context.RequestHeaders.GetValue("authorization")!["Bearer ".Length..];

    /// <summary>A fault as an aggregator sends it.</summary>
    public static RpcException Fault(StatusCode status, string code, string message, params int[] versions)
    {
        var details = new StatusDetails { Code = (int)status, Message = message, Details = { Any.Pack(new Fault { Code = code, ServedVersions = { versions } }) } };
        return new RpcException(new Status(status, message), new Metadata { { "grpc-status-details-bin", details.ToByteArray() } });
    }

    public async ValueTask DisposeAsync()
    {
        // Polls that wait are no reason to wait.
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private sealed class Holder
    {
        public FakeAggregator? Value { get; set; }
    }
}

/// <summary>An upload as far as it came.</summary>
internal sealed class FakeUpload(UploadHead head)
{
    private readonly List<byte> _content = [];

    public UploadHead Head { get; set; } = head;

    public long Received => _content.Count;

    public bool IsAccepted { get; set; }

    public byte[] Content => [.. _content];

    public void Write(ReadOnlySpan<byte> bytes) => _content.AddRange(bytes);
}
