using FedCore.Protocol.Transfers;

namespace FedCore.Client.Connection;

/// <summary>Calls for what is long: models, and updates that do not fit a message.</summary>
internal sealed record Transfers(UploadsClient Uploads, BlobsClient Blobs);

/// <summary>
/// How long things go: over HTTP/1.1, which costs both ends less than HTTP/2 with its frames of 16 KiB, each of which is copied twice more; or over HTTP/2, where
/// HTTP/1.1 does not come through. Safe for many threads.
/// </summary>
/// <param name="http1">Over HTTP/1.1.</param>
/// <param name="http2">Over HTTP/2, or the same again where there is no choice.</param>
internal sealed class TransferWays(Transfers http1, Transfers http2)
{
    private volatile Experience _http1;

    private enum Experience
    {
        None,
        Works,
        Fails,
    }

    /// <summary>The way to try.</summary>
    public Transfers Next => _http1 == Experience.Fails ? http2 : http1;

    /// <summary>Takes note that something went.</summary>
    public void Worked(Transfers way)
    {
        if (way == http1) _http1 = Experience.Works;
    }

    /// <summary>
    /// Takes note that something did not go, and that the aggregator had no part in that. A way that has worked before is kept: it is the line that fails. Where the
    /// other one fails as well, it may have been the line from the beginning.
    /// </summary>
    public void Failed(Transfers way)
    {
        if (way == http1 && _http1 == Experience.None) _http1 = Experience.Fails;
        else if (way == http2 && _http1 == Experience.Fails) _http1 = Experience.None;
    }
}
