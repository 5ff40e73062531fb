using System.IO.Pipelines;

namespace FedCore.Protocol;

/// <summary>Reads of a pipe that another one may read on from.</summary>
internal static class PipeReads
{
    /// <summary>
    /// Reads from a pipe. A read that its own token ends leaves a pipe as if it were still being read, and Kestrel, which reads a body over HTTP/1.1 to its end, fails
    /// at that; one that is called off does not.
    /// </summary>
    public static async ValueTask<ReadResult> ReadSoundAsync(this PipeReader pipe, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        using CancellationTokenRegistration told = ct.UnsafeRegister(static state => CallOff((PipeReader)state!), pipe);
        while (true)
        {
            ReadResult read = await pipe.ReadAsync(CancellationToken.None).ConfigureAwait(false);
            if (!read.IsCanceled) return read;
            pipe.AdvanceTo(read.Buffer.Start);
            ct.ThrowIfCancellationRequested();
        }
    }

    private static void CallOff(PipeReader pipe)
    {
        try
        {
            pipe.CancelPendingRead();
        }
        catch (Exception fault) when (fault is OperationCanceledException or IOException or ObjectDisposedException)
        {
            // Of a request that was broken off: its reads end by themselves.
        }
    }
}
