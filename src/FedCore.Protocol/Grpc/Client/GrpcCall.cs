using System.IO.Pipelines;
using System.Net;
using System.Net.Http.Headers;
using Grpc.Core;

namespace Grpc.Net.Client;

/// <summary>
/// A call under way: one HTTP request whose answer holds messages and, in its trailers, the status. It ends once, with the status of whatever ended it first: the
/// answer, a fault, the deadline, or the caller.
/// </summary>
internal sealed class GrpcCall<TRequest, TResponse>(GrpcChannel channel, Method<TRequest, TResponse> method, CallOptions options) : ICall, IAsyncStreamReader<TResponse>
    where TRequest : class where TResponse : class
{
    private const int ReadBufferBytes = 64 << 10;

    private static readonly MediaTypeHeaderValue ContentType = new(Wire.ContentType);

    // Never disposed of, but always cancelled: a cancellation that comes late finds nothing that is gone.
    private readonly CancellationTokenSource _over = new();
    private readonly TaskCompletionSource<Metadata> _headers = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task<HttpResponseMessage?> _response = null!;
    private HttpResponseMessage? _answer;
    private CancellationTokenRegistration _link;
    private Timer? _deadline;
    private Task<TResponse>? _single;
    private MessageReader<TResponse>? _messages;
    private TResponse? _current;
    private Ending? _end;

    /// <summary>Takes the messages of a call that streams them.</summary>
    public StreamedRequest<TRequest>? Requests { get; private set; }

    public Task<Metadata> ResponseHeadersAsync => _headers.Task;

    public TResponse Current => _current ?? throw new InvalidOperationException("There is no current message.");

    /// <param name="message">The request's message; null where they are streamed.</param>
    public void Start(TRequest? message)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, channel.UriOf(method.FullName))
        {
            Version = channel.HttpVersion,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = message is not null
                ? new SingleRequest<TRequest>(method.RequestMarshaller, message, channel.MaxSend)
                : Requests = new StreamedRequest<TRequest>(method.RequestMarshaller, channel.MaxSend, channel.HttpVersion.Major == 1, WriteFaultAsync, Cancel, _over.Token),
        };
        request.Content.Headers.ContentType = ContentType;
        request.Headers.TryAddWithoutValidation("te", "trailers");
        foreach (Metadata.Entry entry in options.Headers ?? Metadata.Empty)
            if (!request.Headers.TryAddWithoutValidation(entry.Key, entry.OnWire)) request.Content.Headers.TryAddWithoutValidation(entry.Key, entry.OnWire);
        if (options.Deadline is { } deadline && deadline != DateTime.MaxValue) StartDeadline(deadline, request.Headers);
        _link = options.CancellationToken.UnsafeRegister(static call => ((GrpcCall<TRequest, TResponse>)call!).Cancel(), this);
        _response = SendAsync(request);
        if (_end is not null) Unlink();
    }

    /// <summary>The only message of an answer that is not a stream.</summary>
    public Task<TResponse> ReadSingleAsync()
    {
        _single = ReadAsync();
        _single.ContinueWith(static task => task.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return _single;
    }

    public async Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        using CancellationTokenRegistration link = cancellationToken.UnsafeRegister(static call => ((GrpcCall<TRequest, TResponse>)call!).Cancel(), this);
        try
        {
            if (_end is null && await _response.ConfigureAwait(false) is { } response && _end is null)
            {
                _messages ??= await OpenAsync(response).ConfigureAwait(false);
                _current = await _messages.ReadAsync(_over.Token).ConfigureAwait(false);
                if (_current is not null && !method.HasSingleAnswer) return true;
                End(response.TrailingHeaders);
            }
        }
        catch (Exception fault)
        {
            End(StatusOf(fault));
        }

        _messages?.Complete();
        _messages = null;
        return _end!.Status.StatusCode == StatusCode.OK ? false : throw Failure();
    }

    public Status GetStatus() => Ended().Status;

    public Metadata GetTrailers() => Ended().Trailers;

    /// <summary>Ends the call, which is cancelled where it has not ended by itself.</summary>
    public void Dispose() => End(new Status(StatusCode.Cancelled, "The call was disposed of."));

    private Ending Ended() => _end ?? throw new InvalidOperationException("The call has not ended.");

    private void Cancel() => End(new Status(StatusCode.Cancelled, "The call was cancelled."));

    private RpcException Failure() => new(_end!.Status, _end.Trailers);

    private async Task<TResponse> ReadAsync()
    {
        await MoveNext(CancellationToken.None).ConfigureAwait(false);
        return Current;
    }

    private void StartDeadline(DateTime deadline, HttpRequestHeaders headers)
    {
        if (deadline.Kind != DateTimeKind.Utc) throw new InvalidOperationException($"A deadline must be in UTC, not {deadline.Kind}.");
        TimeSpan left = deadline - TimeProvider.System.GetUtcNow().UtcDateTime;
        headers.TryAddWithoutValidation(Wire.TimeoutField, Wire.FormatTimeout(left));
        if (left <= TimeSpan.Zero) DeadlineExceeded();
        else if (left < Wire.MaxTimer) _deadline = new Timer(static call => ((GrpcCall<TRequest, TResponse>)call!).DeadlineExceeded(), this, left, Timeout.InfiniteTimeSpan);
    }

    private void DeadlineExceeded() => End(new Status(StatusCode.DeadlineExceeded, "The deadline passed."));

    private async Task<HttpResponseMessage?> SendAsync(HttpRequestMessage request)
    {
        try
        {
            HttpResponseMessage response = await channel.Http.SendAsync(request, _over.Token).ConfigureAwait(false);
            Interlocked.Exchange(ref _answer, response);
            if (_end is not null) response.Dispose();
            _headers.TrySetResult(MetadataIn(response.Headers));

            // An answer without messages may have its trailers in place of header fields.
            if (response.Headers.Contains(Wire.StatusField)) End(response.Headers);
            else if (response.StatusCode != HttpStatusCode.OK)
                End(new Status(Wire.StatusOf((int)response.StatusCode), $"The server answered with HTTP status {(int)response.StatusCode}.", new HttpRequestException(null, null, response.StatusCode)));
            else if (!Wire.IsOfType(response.Content.Headers.ContentType?.MediaType, Wire.ContentType))
                End(new Status(StatusCode.Unknown, $"The answer's content type is '{response.Content.Headers.ContentType}', not {Wire.ContentType}."));
            return response;
        }
        catch (Exception fault)
        {
            End(StatusOf(fault));
            return null;
        }
    }

    private async ValueTask<MessageReader<TResponse>> OpenAsync(HttpResponseMessage response)
    {
        Stream body = await response.Content.ReadAsStreamAsync(_over.Token).ConfigureAwait(false);
        PipeReader pipe = PipeReader.Create(body, new StreamPipeReaderOptions(bufferSize: ReadBufferBytes, useZeroByteReads: !method.HasSingleAnswer));
        return new MessageReader<TResponse>(pipe, method.ResponseMarshaller, channel.MaxReceive, method.HasSingleAnswer, canKeep: !method.HasSingleAnswer);
    }

    private void End(HttpResponseHeaders fields)
    {
        Status status = Wire.ReadStatus(First(fields, Wire.StatusField), First(fields, Wire.MessageField));
        bool isEmpty = status.StatusCode == StatusCode.OK && method.HasSingleAnswer && _current is null;
        End(isEmpty ? new Status(StatusCode.Internal, "The answer has no message.") : status, MetadataIn(fields));
    }

    private void End(Status status, Metadata? trailers = null)
    {
        if (Interlocked.CompareExchange(ref _end, new Ending(status, trailers ?? Metadata.Empty), null) is not null) return;
        Unlink();
        _over.Cancel();
        _answer?.Dispose();
        if (_headers.TrySetException(Failure())) _ = _headers.Task.Exception;
    }

    private void Unlink()
    {
        _link.Unregister();
        _deadline?.Dispose();
    }

    // What a fault in writing means: the server may have ended the call while it was being written to, and then its status says more.
    private async Task<RpcException> WriteFaultAsync(Exception fault)
    {
        await Task.WhenAny(_single as Task ?? _response).ConfigureAwait(false);
        return _end is null ? new RpcException(StatusOf(fault)) : Failure();
    }

    // The error code of a broken connection, unlike that of a stream, says nothing of a call; which it is, only the text tells.
    private Status StatusOf(Exception fault)
    {
        if (fault is RpcException rpc) return rpc.Status;
        for (Exception? cause = fault; cause is not null; cause = cause.InnerException)
            if (cause is HttpProtocolException protocol && protocol.Message.Contains("stream", StringComparison.Ordinal)) return StatusOf(protocol);
        return fault is HttpRequestException or IOException or OperationCanceledException
            ? new Status(StatusCode.Unavailable, fault.Message, fault)
            : new Status(StatusCode.Internal, $"The call failed: {fault.Message}", fault);
    }

    // A server that sees the deadline pass first breaks the call off.
    private Status StatusOf(HttpProtocolException fault) =>
        Wire.StatusOfReset(fault.ErrorCode) is not StatusCode.Cancelled and var code ? new Status(code, $"The server broke the call off: {fault.Message}", fault)
        : options.Deadline <= TimeProvider.System.GetUtcNow().UtcDateTime ? new Status(StatusCode.DeadlineExceeded, "The deadline passed at the server.", fault)
        : new Status(StatusCode.Cancelled, "The server cancelled the call.", fault);

    private static string? First(HttpHeaders fields, string name) => fields.NonValidated.TryGetValues(name, out HeaderStringValues values) ? values.ToString() : null;

    private static Metadata MetadataIn(HttpHeaders fields)
    {
        var metadata = new Metadata();
        foreach ((string name, HeaderStringValues values) in fields.NonValidated)
            if (Metadata.IsMetadata(name)) foreach (string value in values) metadata.AddFromWire(name, value);
        return metadata;
    }

    private sealed record Ending(Status Status, Metadata Trailers);
}
