using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;

namespace Grpc.AspNetCore.Server;

/// <summary>A call at its server: the messages of a request, the answer's, and the status in its trailers.</summary>
internal sealed partial class ServerCall<TRequest, TResponse>(HttpContext http, Method<TRequest, TResponse> method, GrpcServiceOptions options, ILogger logger)
    : ServerCallContext, IAsyncStreamReader<TRequest>, IServerStreamWriter<TResponse>
    where TRequest : class where TResponse : class
{
    private readonly MessageReader<TRequest> _reader = new(
        http.Request.BodyReader, method.RequestMarshaller, options.MaxReceiveMessageSize ?? int.MaxValue, method.HasSingleRequest, canKeep: true);
    private readonly PipeMessageWriter _writer = new(http.Response.BodyWriter, options.MaxSendMessageSize ?? int.MaxValue);
    private CancellationToken _ct = http.RequestAborted;
    private CancellationTokenSource? _deadline;
    private TRequest? _current;
    private Metadata? _headers;
    private DateTime? _due;
    private BadHttpRequestException? _refused;
    private bool _hasWritten, _hasEnded;

    public override string Method => method.FullName;

    public override string Peer => http.Connection.RemoteIpAddress is { AddressFamily: System.Net.Sockets.AddressFamily.InterNetworkV6 } address
        ? $"ipv6:[{address}]:{http.Connection.RemotePort}"
        : $"ipv4:{http.Connection.RemoteIpAddress}:{http.Connection.RemotePort}";

    public override DateTime Deadline => _due ?? DateTime.MaxValue;

    public override CancellationToken CancellationToken => _ct;

    public override Metadata RequestHeaders
    {
        get
        {
            if (_headers is not null) return _headers;
            _headers = [];
            foreach (var (name, values) in http.Request.Headers)
                if (Metadata.IsMetadata(name)) foreach (string? value in values) _headers.AddFromWire(name, value);
            return _headers;
        }
    }

    public TRequest Current => _current ?? throw new InvalidOperationException("There is no current message.");

    internal override HttpContext HttpContext => http;

    public async Task RunAsync(Func<ServerCall<TRequest, TResponse>, Task> handle)
    {
        if (!Wire.IsOfType(http.Request.ContentType, Wire.ContentType))
        {
            http.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }

        if (!HttpProtocol.IsHttp2(http.Request.Protocol))
        {
            (http.Response.StatusCode, http.Response.Headers.Upgrade) = (StatusCodes.Status426UpgradeRequired, "HTTP/2");
            return;
        }

        http.Response.ContentType = Wire.ContentType;
        LiftLimits();
        StartDeadline();
        try
        {
            await handle(this).ConfigureAwait(false);
        }
        catch (RpcException fault)
        {
            Status = fault.Status;
            foreach (Metadata.Entry entry in fault.Trailers) ResponseTrailers.Add(entry);
        }
        catch (OperationCanceledException) when (_ct.IsCancellationRequested)
        {
            Status = new Status(StatusCode.Cancelled, "The call was cancelled.");
        }
        catch (Exception fault)
        {
            Status = new Status(StatusCode.Unknown, "The server failed at this call; its log says why.");
            LogDefect(logger, method.FullName, fault);
        }

        _hasEnded = true;
        if (_deadline is { IsCancellationRequested: true } && Status.StatusCode == StatusCode.Cancelled) Status = new Status(StatusCode.DeadlineExceeded, "The deadline passed.");
        _deadline?.Dispose();
        if (_refused is not null) throw _refused;
        if (http.RequestAborted.IsCancellationRequested) return;
        _reader.Release();
        WriteTrailers();
    }

    public async Task<TRequest> ReadSingleAsync() =>
        await MoveNext(CancellationToken.None).ConfigureAwait(false) ? Current : throw new RpcException(new Status(StatusCode.Internal, "The request has no message."));

    public async Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        if (_hasEnded) throw new InvalidOperationException("The call has ended.");
        using CancellationTokenSource? either = Either(cancellationToken);
        try
        {
            return (_current = await _reader.ReadAsync(either?.Token ?? _ct).ConfigureAwait(false)) is not null;
        }
        catch (Exception fault) when (fault is IOException || (fault is OperationCanceledException && !_ct.IsCancellationRequested && !cancellationToken.IsCancellationRequested))
        {
            // Over HTTP/1.1 Kestrel would read on where it could not, and call that a defect; what it refuses itself it must be told of, to end the connection.
            if ((_refused = fault as BadHttpRequestException) is null) http.Abort();
            throw new RpcException(new Status(StatusCode.Cancelled, "The client broke the call off.", fault));
        }
    }

    public Task WriteAsync(TResponse message) => WriteAsync(message, CancellationToken.None);

    public async Task WriteAsync(TResponse message, CancellationToken cancellationToken)
    {
        if (_hasEnded) throw new InvalidOperationException("The call has ended.");
        _ct.ThrowIfCancellationRequested();
        _hasWritten = true;
        _writer.Write(method.ResponseMarshaller, message);

        // The only message of an answer goes out with the trailers.
        if (method.HasSingleAnswer) return;
        using CancellationTokenSource? either = Either(cancellationToken);
        await http.Response.BodyWriter.FlushAsync(either?.Token ?? _ct).ConfigureAwait(false);
    }

    public override Task WriteResponseHeadersAsync(Metadata responseHeaders)
    {
        foreach (Metadata.Entry entry in responseHeaders) http.Response.Headers.Append(entry.Key, entry.OnWire);
        return http.Response.BodyWriter.FlushAsync(_ct).AsTask();
    }

    private CancellationTokenSource? Either(CancellationToken other) => other.CanBeCanceled && other != _ct ? CancellationTokenSource.CreateLinkedTokenSource(_ct, other) : null;

    // Streams of requests last as long as they last; what a message may take is checked by its reader.
    private void LiftLimits()
    {
        if (method.HasSingleRequest) return;
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size) size.MaxRequestBodySize = null;
        if (http.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate) rate.MinDataRate = null;
    }

    // What is no timeout is none, as in other servers.
    private void StartDeadline()
    {
        if (http.Request.Headers[Wire.TimeoutField] is not [{ } text] || Wire.ParseTimeout(text) is not { } left || left >= Wire.MaxTimer) return;
        _due = TimeProvider.System.GetUtcNow().UtcDateTime + left;
        _deadline = CancellationTokenSource.CreateLinkedTokenSource(_ct);
        _deadline.CancelAfter(left);
        _ct = _deadline.Token;
    }

    // An answer without messages has its status in the header fields, and no trailers.
    private void WriteTrailers()
    {
        IHeaderDictionary fields = _hasWritten || http.Response.HasStarted ? http.Features.GetRequiredFeature<IHttpResponseTrailersFeature>().Trailers : http.Response.Headers;
        fields.Append(Wire.StatusField, ((int)Status.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture));
        if (Status.Detail.Length > 0) fields.Append(Wire.MessageField, Wire.EscapeMessage(Status.Detail));
        foreach (Metadata.Entry entry in ResponseTrailers) fields.Append(entry.Key, entry.OnWire);
    }

    [LoggerMessage(1, LogLevel.Error, "{Method} failed")]
    private static partial void LogDefect(ILogger logger, string method, Exception fault);
}
