using FedCore.Client.Telemetry;
using FedCore.Protocol.Transfers;
using Microsoft.Extensions.Logging;

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
/// <param name="what">What goes.</param>
/// <param name="http1">Over HTTP/1.1.</param>
/// <param name="http2">Over HTTP/2, or the same again where there is no choice.</param>
/// <param name="clock">Tells when HTTP/1.1 is tried again.</param>
/// <param name="log">Is told when they go the other way.</param>
internal sealed class TransferWays(string what, Transfers http1, Transfers http2, TimeProvider clock, ILogger log)
{
    // Of a way that has worked, more than a line that was cut now and then.
    private const int MostFailures = 3;

    /// <summary>How long HTTP/2 is taken before HTTP/1.1 has another chance: the network may be another by then.</summary>
    public static readonly TimeSpan Again = TimeSpan.FromHours(1);

    private readonly Lock _lock = new();
    private bool _isHttp2, _hasWorked;
    private int _failures;
    private long _since;

    /// <summary>The way to try.</summary>
    public Transfers Next
    {
        get
        {
            lock (_lock) return _isHttp2 && clock.GetElapsedTime(_since) < Again ? http2 : http1;
        }
    }

    /// <summary>Takes note that something came through.</summary>
    public void Worked(Transfers way)
    {
        if (way != http1) return;
        lock (_lock)
        {
            if (_isHttp2) Turn();
            (_hasWorked, _failures) = (true, 0);
        }
    }

    /// <summary>
    /// Takes note that nothing came through, or not to its end, and that the aggregator had no part in that. A way that has worked before is kept for a while: it is more
    /// likely the line that fails. Where HTTP/2 fails as well, it may have been the line all the time.
    /// </summary>
    public void Failed(Transfers way)
    {
        lock (_lock)
        {
            if (http1 == http2 || way != Next) return;
            if (way == http2) Turn();
            else if (_isHttp2) _since = clock.GetTimestamp();
            else if (++_failures >= (_hasWorked ? MostFailures : 1)) Turn();
        }
    }

    // Under the lock.
    private void Turn()
    {
        (_isHttp2, _failures, _since) = (!_isHttp2, 0, clock.GetTimestamp());
        log.OtherWay(what, _isHttp2 ? "HTTP/2" : "HTTP/1.1");
    }
}
