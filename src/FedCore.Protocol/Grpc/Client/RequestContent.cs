using System.Buffers;
using System.Net;
using Grpc.Core;

namespace Grpc.Net.Client;

/// <summary>The body of a request: one message.</summary>
internal sealed class SingleRequest<TRequest>(Marshaller<TRequest> marshaller, TRequest message, int maxLength) : HttpContent
    where TRequest : class
{
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
        new StreamMessageWriter(new ArrayBufferWriter<byte>(), maxLength).WriteAsync(stream, marshaller, message, cancellationToken).AsTask();

    protected override bool TryComputeLength(out long length)
    {
        length = -1;
        return false;
    }
}

/// <summary>
/// The body of a request whose messages come one by one, until the call is over. What a fault in writing means says translate; cancel ends the call, since a
/// message that was written in part cannot be followed by another. Where answersLast, the answer is read behind the body, which then ends with the fault.
/// </summary>
internal sealed class StreamedRequest<TRequest>(
    Marshaller<TRequest> marshaller, int maxLength, bool answersLast, Func<Exception, Task<RpcException>> translate, Action cancel, CancellationToken over)
    : HttpContent, IClientStreamWriter<TRequest>
    where TRequest : class
{
    private readonly StreamMessageWriter _writer = new(new ArrayBufferWriter<byte>(), maxLength);
    private readonly TaskCompletionSource<Stream> _stream = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // The end of the stream is on its way when CompleteAsync returns, so that a call which is disposed of then is not broken off.
    private readonly TaskCompletionSource _complete = new();
    private int _isWriting;

    public Task WriteAsync(TRequest message) => WriteAsync(message, CancellationToken.None);

    public async Task WriteAsync(TRequest message, CancellationToken cancellationToken)
    {
        if (_complete.Task.IsCompletedSuccessfully) throw new InvalidOperationException("The stream of requests has been completed.");
        if (Interlocked.Exchange(ref _isWriting, 1) != 0) throw new InvalidOperationException("The previous message is still being written.");
        using CancellationTokenRegistration link = cancellationToken.UnsafeRegister(static cancel => ((Action)cancel!)(), cancel);
        try
        {
            Stream stream = await _stream.Task.WaitAsync(over).ConfigureAwait(false);
            await _writer.WriteAsync(stream, marshaller, message, over).ConfigureAwait(false);
            await stream.FlushAsync(over).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is OperationCanceledException or IOException or HttpRequestException or ObjectDisposedException)
        {
            if (answersLast && _complete.TrySetException(fault)) _ = _complete.Task.Exception;
            throw await translate(fault).ConfigureAwait(false);
        }
        finally
        {
            _isWriting = 0;
        }
    }

    public Task CompleteAsync()
    {
        if (_isWriting != 0) throw new InvalidOperationException("The previous message is still being written.");
        _complete.TrySetResult();
        return Task.CompletedTask;
    }

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
    {
        // So that the header fields go out before the first message.
        await stream.FlushAsync(over).ConfigureAwait(false);
        _stream.TrySetResult(stream);
        await _complete.Task.WaitAsync(over).ConfigureAwait(false);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = -1;
        return false;
    }
}
