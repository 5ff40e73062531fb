using FedCore.Protocol.Transfers;
using Grpc.Core;

namespace FedCore.Aggregator.Services;

/// <summary>How long a stream of requests may be silent.</summary>
internal static class Silence
{
    /// <summary>Waits for a stream's next message. Who falls silent has to begin the call anew.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="silence">The call's alarm, which is set anew with each message.</param>
    /// <param name="seconds">How long it waits.</param>
    /// <param name="remedy">What a caller does who was silent for longer.</param>
    /// <param name="context">The call.</param>
    /// <returns>Whether there is another message.</returns>
    /// <exception cref="RpcException">None came in time (<c>upload.silent</c>).</exception>
    public static async Task<bool> NextAsync(IAsyncStreamReader<Chunk> stream, CancellationTokenSource silence, int seconds, string remedy, ServerCallContext context)
    {
        silence.CancelAfter(TimeSpan.FromSeconds(seconds));
        try
        {
            bool isThere = await stream.MoveNext(silence.Token).ConfigureAwait(false);

            // What is done with the message takes the time that it takes.
            silence.CancelAfter(Timeout.InfiniteTimeSpan);
            return isThere;
        }
        catch (OperationCanceledException) when (silence.IsCancellationRequested && !context.CancellationToken.IsCancellationRequested)
        {
            throw RpcFault.Of(StatusCode.DeadlineExceeded, "upload.silent", $"No message came for {seconds} s. {remedy}");
        }
    }
}
