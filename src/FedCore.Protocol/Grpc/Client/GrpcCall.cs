using System.IO.Pipelines;
using System.Net;
using System.Net.Http.Headers;
using Grpc.Core;

namespace Grpc.Net.Client;

/// <summary>A call under way: one HTTP request whose answer holds messages and, in its trailers, the status.</summary>
internal sealed class GrpcCall<TRequest, TResponse>(GrpcChannel channel, Method<TRequest, TResponse> method, CallOptions options) : ICall, IAsyncStreamReader<TResponse>
    where TRequest : class where TResponse : class
{
    private const int ReadBufferBytes = 64 << 10;

    private static readonly Version Http2 = HttpVersion.Version20;

    private readonly CancellationTokenSource _cancelled = CancellationTokenSource.CreateLinkedTokenSource(options.CancellationToken);
    private readonly CancellationTokenSource _deadline = new();
    private readonly TaskCompletionSource<Metadata> _headers = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private CancellationToken _ct;
    private Task<HttpResponseMessage> _response = null!;
    private Task<TResponse>? _single;
    private MessageReader<TResponse>? _messages;
    private TResponse? _current;
    private Metadata _trailers = Metadata.Empty;
    private Status? _status;
    private int _hasEnded;

    /// <summary>Takes the messages of a call that streams them.</summary>
    public StreamedRequest<TRequest>? Requests { get; private set; }

    public Task<Metadata> ResponseHeadersAsync => _headers.Task;

    public TResponse Current => _current ?? throw new InvalidOperationException("There is no current message.");

    /// <param name="message">The request's message; null where they are streamed.</param>
    public void Start(TRequest? message)
    {
        _ct = _cancelled.Token;
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(channel.Address, method.FullName)) { Version = Http2, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        request.Headers.TryAddWithoutValidation(Wire.AcceptEncodingField, Wire.Identity);
        foreach (Metadata.Entry entry in options.Headers ?? Metadata.Empty) request.Headers.TryAddWithoutValidation(entry.Key, entry.OnWire);
        if (options.Deadline is { } deadline)
        {
            TimeSpan left = deadline.ToUniversalTime() - TimeProvider.System.GetUtcNow().UtcDateTime;
            request.Headers.TryAddWithoutValidation(Wire.TimeoutField, Wire.FormatTimeout(left));
            _deadline.Token.UnsafeRegister(static state => ((GrpcCall<TRequest, TResponse>)state!).Cancel(), this);
            if (left <= TimeSpan.Zero) _deadline.Cancel();
            else _deadline.CancelAfter(left);
        }

        request.Content = message is not null
            ? new SingleRequest<TRequest>(method.RequestMarshaller, message, channel.MaxSend)
            : Requests = new StreamedRequest<TRequest>(method.RequestMarshaller, channel.MaxSend, TranslateWriteAsync, _ct);
        _response = SendAsync(request);
    }

    /// <summary>The only message of an answer that is not a stream.</summary>
    public Task<TResponse> ReadSingleAsync() => _single = ReadAsync();

    public async Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        await using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(static state => ((GrpcCall<TRequest, TResponse>)state!).Cancel(), this);
        try
        {
            HttpResponseMessage response = await _response.ConfigureAwait(false);
            _messages ??= new MessageReader<TResponse>(await OpenAsync(response).ConfigureAwait(false), method.ResponseMarshaller, channel.MaxReceive);
            _current = await _messages.ReadAsync(_ct).ConfigureAwait(false);
            if (_current is not null) return true;
            Status status = StatusIn(response.TrailingHeaders);
            if (status.StatusCode != StatusCode.OK) throw End(status);
            End(status);
            return false;
        }
        catch (Exception fault) when (fault is not RpcException || _status is null)
        {
            throw End(fault is RpcException rpc ? rpc.Status : StatusOf(fault));
        }
    }

    public Status GetStatus() => _status ?? throw new InvalidOperationException("The call has not ended.");

    public Metadata GetTrailers() => _status is null ? throw new InvalidOperationException("The call has not ended.") : _trailers;

    /// <summary>Ends the call, which is cancelled where it has not ended by itself.</summary>
    public void Dispose() => End(new Status(StatusCode.Cancelled, "The call was disposed of."));

    private async Task<TResponse> ReadAsync()
    {
        if (!await MoveNext(CancellationToken.None).ConfigureAwait(false)) throw new RpcException(new Status(StatusCode.Internal, "The answer has no message."));
        TResponse message = Current;
        if (await MoveNext(CancellationToken.None).ConfigureAwait(false)) throw End(new Status(StatusCode.Internal, "The answer has several messages."));
        return message;
    }

    private void Cancel()
    {
        if (Volatile.Read(ref _hasEnded) == 0) _cancelled.Cancel();
    }

    // The first end counts.
    private RpcException End(Status status)
    {
        if (Interlocked.Exchange(ref _hasEnded, 1) == 0)
        {
            _status = status;
            _cancelled.Cancel();
            _cancelled.Dispose();
            _deadline.Dispose();
            if (_response.IsCompletedSuccessfully) _response.Result.Dispose();
            _headers.TrySetResult(Metadata.Empty);
        }

        return new RpcException(_status ?? status, _trailers);
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request)
    {
        HttpResponseMessage response = await channel.Http.SendAsync(request, _ct).ConfigureAwait(false);
        _headers.TrySetResult(MetadataIn(response.Headers));
        return response;
    }

    private async ValueTask<PipeReader> OpenAsync(HttpResponseMessage response)
    {
        if (response.StatusCode != HttpStatusCode.OK)
            throw End(new Status(Wire.StatusOf((int)response.StatusCode), $"The server answered with HTTP status {(int)response.StatusCode}."));
        if (response.Content.Headers.ContentType?.MediaType is not { } type || !type.StartsWith(Wire.ContentType, StringComparison.Ordinal))
            throw End(new Status(StatusCode.Unknown, $"The answer's content type is '{response.Content.Headers.ContentType}', not {Wire.ContentType}."));

        // An answer without messages may have its trailers in place of header fields.
        if (response.Headers.Contains(Wire.StatusField) && StatusIn(response.Headers) is { StatusCode: not StatusCode.OK } status) throw End(status);
        Stream body = await response.Content.ReadAsStreamAsync(_ct).ConfigureAwait(false);
        return PipeReader.Create(body, new StreamPipeReaderOptions(bufferSize: ReadBufferBytes));
    }

    private Status StatusIn(HttpResponseHeaders fields)
    {
        _trailers = MetadataIn(fields);
        return Wire.ReadStatus(First(fields, Wire.StatusField), First(fields, Wire.MessageField));
    }

    // The server may have ended the call while it was being written to: then its status says more than the fault.
    private async Task<RpcException> TranslateWriteAsync(Exception fault)
    {
        if (_single is { } single && !_ct.IsCancellationRequested) await Task.WhenAny(single).ConfigureAwait(false);
        Status status = _status ?? StatusOf(fault);
        return new RpcException(status.StatusCode == StatusCode.OK ? new Status(StatusCode.Cancelled, "The call has ended.", fault) : status, _trailers);
    }

    private Status StatusOf(Exception fault)
    {
        if (_deadline.IsCancellationRequested) return new Status(StatusCode.DeadlineExceeded, "The deadline passed.", fault);
        if (_ct.IsCancellationRequested) return _status ?? new Status(StatusCode.Cancelled, "The call was cancelled.", fault);
        for (Exception? cause = fault; cause is not null; cause = cause.InnerException)
        {
            if (cause is not HttpProtocolException protocol) continue;
            StatusCode? code = protocol.ErrorCode switch
            {
                0x7 => StatusCode.Unavailable,
                0x8 => StatusCode.Cancelled,
                0xb => StatusCode.ResourceExhausted,
                0xc => StatusCode.PermissionDenied,
                _ => null,
            };
            if (code is not null) return new Status(code.Value, $"The server broke the call off: {protocol.Message}", fault);
        }

        return fault is HttpRequestException or IOException
            ? new Status(StatusCode.Unavailable, $"The server at {channel.Target} cannot be reached: {fault.Message}", fault)
            : new Status(StatusCode.Internal, $"The call failed: {fault.Message}", fault);
    }

    private static string? First(HttpHeaders fields, string name) => fields.NonValidated.TryGetValues(name, out HeaderStringValues values) ? values.ToString() : null;

    private static Metadata MetadataIn(HttpHeaders fields)
    {
        var metadata = new Metadata();
        foreach ((string name, HeaderStringValues values) in fields.NonValidated)
            if (Metadata.IsMetadata(name)) foreach (string value in values) metadata.AddFromWire(name, value);
        return metadata;
    }
}
