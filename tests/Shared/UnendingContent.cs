using System.Net;

namespace FedCore.Tests;

/// <summary>A body that begins and never ends.</summary>
internal sealed class UnendingContent(byte[] start) : HttpContent
{
    private readonly TaskCompletionSource _begun = new(), _over = new();

    public Task Begun => _begun.Task;

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, default);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        await stream.WriteAsync(start, cancellationToken);
        await stream.FlushAsync(cancellationToken);
        _begun.TrySetResult();
        await _over.Task.WaitAsync(cancellationToken);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = -1;
        return false;
    }

    protected override void Dispose(bool disposing)
    {
        _over.TrySetResult();
        base.Dispose(disposing);
    }
}
