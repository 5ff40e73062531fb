using System.Buffers;
using System.Net;
using System.Net.Http.Headers;
using Grpc.Core;

namespace Grpc.Net.Client;

/// <summary>The body of a request: one message.</summary>
internal sealed class SingleRequest<TRequest> : HttpContent
    where TRequest : class
{
    private readonly Marshaller<TRequest> _marshaller;
    private readonly TRequest _message;
    private readonly int _maxLength;

    public SingleRequest(Marshaller<TRequest> marshaller, TRequest message, int maxLength)
    {
        (_marshaller, _message, _maxLength) = (marshaller, message, maxLength);
        Headers.ContentType = new MediaTypeHeaderValue(Wire.ContentType);
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
        new StreamMessageWriter(new ArrayBufferWriter<byte>(), _maxLength).WriteAsync(stream, _marshaller, _message, cancellationToken).AsTask();

    protected override bool TryComputeLength(out long length)
    {
        length = -1;
        return false;
    }
}

/// <summary>The body of a request whose messages come one by one.</summary>
internal sealed class StreamedRequest<TRequest> : HttpContent, IClientStreamWriter<TRequest>
    where TRequest : class
{
    private readonly Marshaller<TRequest> _marshaller;
    private readonly StreamMessageWriter _writer;
    private readonly Func<Exception, Task<RpcException>> _translate;
    private readonly CancellationToken _ended;
    private readonly TaskCompletionSource<Stream> _stream = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _complete = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // What a fault in writing means says translate: the call may have ended meanwhile.
    public StreamedRequest(Marshaller<TRequest> marshaller, int maxLength, Func<Exception, Task<RpcException>> translate, CancellationToken ended)
    {
        (_marshaller, _writer, _translate, _ended) = (marshaller, new StreamMessageWriter(new ArrayBufferWriter<byte>(), maxLength), translate, ended);
        Headers.ContentType = new MediaTypeHeaderValue(Wire.ContentType);
        _ended.Register(static state => ((StreamedRequest<TRequest>)state!).Abort(), this);
    }

    public Task WriteAsync(TRequest message) => WriteAsync(message, CancellationToken.None);

    public async Task WriteAsync(TRequest message, CancellationToken cancellationToken)
    {
        try
        {
            Stream stream = await _stream.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(_ended, cancellationToken);
            await _writer.WriteAsync(stream, _marshaller, message, either.Token).ConfigureAwait(false);
            await stream.FlushAsync(either.Token).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is not RpcException)
        {
            throw await _translate(fault).ConfigureAwait(false);
        }
    }

    public Task CompleteAsync()
    {
        _complete.TrySetResult();
        return Task.CompletedTask;
    }

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
    {
        // So that the header fields go out before the first message.
        await stream.FlushAsync(_ended).ConfigureAwait(false);
        _stream.TrySetResult(stream);
        await _complete.Task.ConfigureAwait(false);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = -1;
        return false;
    }

    private void Abort()
    {
        _stream.TrySetCanceled(_ended);
        _complete.TrySetCanceled(_ended);
    }
}
