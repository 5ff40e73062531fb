using FedCore.Protocol.Transfers;

namespace FedCore.Client.Connection;

/// <summary>Calls for what is long: models, and updates that do not fit a message.</summary>
internal sealed class Transfers(UploadsClient uploads, BlobsClient blobs)
{
    public UploadsClient Uploads => uploads;

    public BlobsClient Blobs => blobs;
}

/// <summary>
/// How long things go, in one of the two directions: over HTTP/1.1, which costs both ends less than HTTP/2 with its frames of 16 KiB, each of which is copied twice
/// more; or over HTTP/2, where HTTP/1.1 does not come through. Safe for many threads.
/// </summary>
/// <param name="http1">Over HTTP/1.1.</param>
/// <param name="http2">Over HTTP/2, or the same again where there is no choice.</param>
internal sealed class TransferWays(Transfers http1, Transfers http2)
{
    // Of a way that has worked, more than a line that was cut now and then.
    private const int MostFailures = 3;

    private readonly Lock _lock = new();
    private bool _isHttp2, _hasWorked;
    private int _failures;

    /// <summary>The way to try.</summary>
    public Transfers Next
    {
        get
        {
            lock (_lock) return _isHttp2 ? http2 : http1;
        }
    }

    /// <summary>Takes note that something went.</summary>
    public void Worked(Transfers way)
    {
        if (way != http1) return;
        lock (_lock) (_hasWorked, _failures) = (true, 0);
    }

    /// <summary>
    /// Takes note that something did not go, and that the aggregator had no part in that. A way that has worked before is kept for a while: it is more likely the line
    /// that fails. Where HTTP/2 fails as well, it may have been the line all the time.
    /// </summary>
    public void Failed(Transfers way)
    {
        lock (_lock)
        {
            if (way != (_isHttp2 ? http2 : http1)) return;
            if (_isHttp2) (_isHttp2, _failures) = (false, 0);
            else _isHttp2 = ++_failures >= (_hasWorked ? MostFailures : 1);
        }
    }
}
