using FedCore.Client.Connection;
using FedCore.Client.Telemetry;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using Microsoft.Extensions.Logging;

namespace FedCore.Client.Models;

/// <summary>Gets blobs: from the cache, or from the aggregator, where a download that broke goes on where it broke, also after a restart.</summary>
internal sealed class BlobDownloads(BlobCache cache, EdgeConnection connection, Func<Backoff> newBackoff, ILogger log)
{
    private const int MaxWrong = 3;

    /// <summary>The file of a blob.</summary>
    /// <param name="blob">The blob.</param>
    /// <param name="what">What it is, for messages.</param>
    /// <param name="ct">Cancels the waiting; what has come is kept.</param>
    /// <exception cref="CallFault">The aggregator does not give it.</exception>
    /// <exception cref="FedCoreException">What it gives has another digest, again and again (<c>blob.digest</c>).</exception>
    public async Task<string> GetAsync(Blob blob, string what, CancellationToken ct)
    {
        Backoff backoff = newBackoff();
        bool wentOtherWay = false;
        for (int wrong = 0; ;)
        {
            if (cache.Find(blob) is { } here) return here;
            Transfers way = connection.Downloads.Next;
            try
            {
                await ReceiveAsync(blob, backoff, ct).ConfigureAwait(false);
            }
            catch (CallFault fault) when (fault.IsTransient || (connection.Downloads.Next != way && !wentOtherWay))
            {
                // What a proxy says of one way is not yet said of the other.
                wentOtherWay |= !fault.IsTransient;
                TimeSpan delay = backoff.Next();
                log.Retrying($"The download of {what}", fault.Message, delay.TotalSeconds);
                await backoff.WaitAsync(delay, ct).ConfigureAwait(false);
                continue;
            }

            if (cache.Accept(blob) is { } path)
            {
                log.Downloaded(what, blob.Length);
                return path;
            }

            if (++wrong == MaxWrong)
                throw FedCoreException.Configuration("blob.digest", $"{what} came {MaxWrong} times, and never with its digest sha256:{Convert.ToHexStringLower(blob.Digest.Span)}.");
        }
    }

    private async Task ReceiveAsync(Blob blob, Backoff backoff, CancellationToken ct)
    {
        await using FileStream file = cache.Append(blob);
        long before = file.Length;
        if (before == blob.Length) return;
        using var stall = new StallTimer(connection.Clock, ct);
        await EdgeConnection.TransferAsync(connection.Downloads, stall, async (way, options) =>
        {
            using var call = way.Blobs.Download(new DownloadRequest { Digest = blob.Digest, Offset = before }, options);
            while (await call.ResponseStream.MoveNext(stall.Token).ConfigureAwait(false))
            {
                Chunk chunk = call.ResponseStream.Current;
                if (file.Length + chunk.Data.Length > blob.Length) throw new CallFault($"The aggregator sends more than the {blob.Length} bytes that it has named.");
                foreach (ReadOnlyMemory<byte> part in chunk.Data) await file.WriteAsync(part, ct).ConfigureAwait(false);
                ClientMeter.Downloaded.Add(chunk.Data.Length);
                stall.Restart();
                backoff.Reset();
            }
        }, () => new(file.Length > before)).ConfigureAwait(false);
        await file.FlushAsync(ct).ConfigureAwait(false);
        if (file.Length < blob.Length) throw new CallFault($"The stream ended at byte {file.Length} of {blob.Length}.");
    }
}
