using System.Net;
using System.Net.Security;
using FedCore.Client.Settings;
using FedCore.Client.Storage;
using FedCore.Hosting.Telemetry;
using FedCore.Protocol.Connections;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Web;
using Microsoft.Extensions.Logging;

namespace FedCore.Client.Connection;

/// <summary>
/// The way to the aggregator: outbound, to one port. Calls share a connection of HTTP/2; models and updates that do not fit a message have one of HTTP/1.1 while they
/// go, and a while longer. All is HTTP/1.1 where a network has nothing newer.
/// </summary>
internal sealed class EdgeConnection : IDisposable
{
    // Room for a model that comes with its task; the aggregator says up to which size it does.
    private const int MaxMessageBytes = 64 << 20;

    private static readonly TimeSpan CallLimit = TimeSpan.FromSeconds(30), PartLimit = TimeSpan.FromMinutes(5);

    private readonly GrpcWebHandler _handler;
    private readonly GrpcChannel _http1, _http2;
    private readonly Edge.EdgeClient _edge;
    private readonly UploadsClient _uploads;

    public EdgeConnection(ClientSettings settings, ClientIdentity identity, TimeProvider clock, ILogger log)
    {
        (Settings, Clock, Token) = (settings, clock, new ClientToken(settings.Token, settings.TokenFile is { } file ? settings.PathOf(file) : null));
        SocketsHttpHandler sockets = OutboundConnections.Create(settings.Aggregator);
        (sockets.EnableMultipleHttp2Connections, sockets.KeepAlivePingPolicy) = (true, HttpKeepAlivePingPolicy.WithActiveRequests);
        (sockets.KeepAlivePingDelay, sockets.KeepAlivePingTimeout) = (TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(10));

        // IdentityHandler says which activity a call is a part of: FedCore's own, not one of the framework's that nobody sees.
        sockets.ActivityHeadersPropagator = null;
        if (settings.TrustedCertificate is { } certificate) sockets.SslOptions = TrustIn(settings.PathOf(certificate));
        var calls = new IdentityHandler(Token, identity.OnWire, sockets);
        _handler = new GrpcWebHandler(GrpcWebMode.GrpcWeb, calls);
        _http1 = Open(_handler, HttpVersion.Version11);
        _http2 = settings.Web ? _http1 : Open(calls, HttpVersion.Version20);
        Transfers http1 = TransfersOver(_http1), http2 = settings.Web ? http1 : TransfersOver(_http2);
        (Downloads, Uploads) = (new TransferWays("Models", http1, http2, clock, log), new TransferWays("Updates", http1, http2, clock, log));
        CallInvoker invoker = _http2.CreateCallInvoker();
        (_edge, _uploads) = (new Edge.EdgeClient(invoker), new UploadsClient(invoker));
    }

    public ClientSettings Settings { get; }

    public TimeProvider Clock { get; }

    public ClientToken Token { get; }

    /// <summary>How models come.</summary>
    public TransferWays Downloads { get; }

    /// <summary>How updates go that do not fit a message.</summary>
    public TransferWays Uploads { get; }

    /// <summary>Whether requests can be streamed: a proxy of HTTP/1.1 may collect them.</summary>
    public bool CanStream => !Settings.Web;

    public Task<JoinReply> JoinAsync(JoinRequest request, CancellationToken ct) => CallAsync(options => _edge.JoinAsync(request, options), CallLimit, ct);

    /// <param name="request">The request.</param>
    /// <param name="wait">How long the aggregator waits at most until it answers.</param>
    /// <param name="ct">Cancels the call.</param>
    /// <returns>The reply, and the aggregator's activity that its task is a part of; null where it has none.</returns>
    public async Task<(NextTaskReply Reply, string? Activity)> NextTaskAsync(NextTaskRequest request, TimeSpan wait, CancellationToken ct)
    {
        string? activity = null;
        NextTaskReply reply = await CallAsync(
            options => _edge.NextTaskAsync(request, options), wait + CallLimit, ct, trailers => activity = trailers.GetValue(FedCoreTelemetry.ParentField)).ConfigureAwait(false);
        return (reply, activity);
    }

    public Task<ProgressReply> ReportProgressAsync(ProgressRequest request, CancellationToken ct) =>
        CallAsync(options => _edge.ReportProgressAsync(request, options), CallLimit, ct);

    public Task<DeclineReply> DeclineTaskAsync(DeclineRequest request, CancellationToken ct) =>
        CallAsync(options => _edge.DeclineTaskAsync(request, options), CallLimit, ct);

    public Task<UploadState> FindUploadAsync(UploadHead head, CancellationToken ct) => CallAsync(options => _edge.FindUploadAsync(head, options), CallLimit, ct);

    public Task<UploadState> SendPartAsync(Chunk part, CancellationToken ct) => CallAsync(options => _uploads.SendPartAsync(part, options), PartLimit, ct);

    /// <summary>Moves what is long.</summary>
    /// <param name="ways">How it may go.</param>
    /// <param name="stall">Gives the call up where nothing moves.</param>
    /// <param name="call">The call.</param>
    /// <param name="cameThrough">Whether something of what failed came through nonetheless. Where this says why it failed, in a fault of its own, that is the fault.</param>
    /// <exception cref="CallFault">It failed.</exception>
    /// <exception cref="OperationCanceledException">The caller has cancelled it.</exception>
    public static async Task TransferAsync(TransferWays ways, StallTimer stall, Func<Transfers, CallOptions, Task> call, Func<ValueTask<bool>> cameThrough)
    {
        Transfers way = ways.Next;
        try
        {
            await TranslateAsync(stall, options => call(way, options)).ConfigureAwait(false);
            ways.Worked(way);
        }
        catch (CallFault fault)
        {
            // What came through speaks for its way, also where the line was cut; but that all stops is what some proxies do to one of them.
            if (fault.Code.Length > 0 || (await cameThrough().ConfigureAwait(false) && stall.Reason is null)) ways.Worked(way);
            else ways.Failed(way);
            throw;
        }
    }

    // Makes a call, and of its faults this client's.
    private static async Task TranslateAsync(StallTimer stall, Func<CallOptions, Task> call)
    {
        try
        {
            await call(new CallOptions(null, null, stall.Token)).ConfigureAwait(false);
        }
        catch (RpcException fault)
        {
            stall.Outer.ThrowIfCancellationRequested();
            throw CallFault.From(fault, stall.Reason);
        }
        catch (OperationCanceledException fault) when (!stall.Outer.IsCancellationRequested)
        {
            throw CallFault.From(new RpcException(new Status(StatusCode.Cancelled, fault.Message, fault)), stall.Reason);
        }
    }

    public void Dispose()
    {
        _http1.Dispose();
        _http2.Dispose();
        _handler.Dispose();
    }

    private GrpcChannel Open(HttpMessageHandler handler, Version http) =>
        GrpcChannel.ForAddress(Settings.Aggregator, new GrpcChannelOptions { HttpHandler = handler, HttpVersion = http, MaxReceiveMessageSize = MaxMessageBytes });

    private static Transfers TransfersOver(GrpcChannel channel)
    {
        CallInvoker invoker = channel.CreateCallInvoker();
        return new Transfers(new UploadsClient(invoker), new BlobsClient(invoker));
    }

    private async Task<T> CallAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> start, TimeSpan limit, CancellationToken ct, Action<Metadata>? ended = null)
    {
        T reply = default!;
        using var stall = new StallTimer(Clock, ct, limit);
        await TranslateAsync(stall, async options =>
        {
            using AsyncUnaryCall<T> call = start(options);
            reply = await call.ResponseAsync.ConfigureAwait(false);
            ended?.Invoke(call.GetTrailers());
        }).ConfigureAwait(false);
        return reply;
    }

    private static SslClientAuthenticationOptions TrustIn(string path) => PrivateAuthority.TrustIn(path, (what, cause) => FedCoreException.Configuration(
        "client.certificate",
        $"client.trustedCertificate is {Shown.Of(path, 400)}, which {Shown.Of(what, 400)}. Name a PEM file with the certificate of the authority that has signed the aggregator's.", cause));
}
