namespace FedCore.Aggregator.Journal;

/// <summary>Appends to streams whose facts do not rest on each other.</summary>
internal static class SoundAppends
{
    /// <summary>Adds an event that is kept when the task ends, also to a stream that has lost one before: whoever brought that one knows.</summary>
    public static async ValueTask AppendSoundAsync(this IEventLog log, string stream, string kind, string json, CancellationToken ct)
    {
        try
        {
            await log.AppendAsync(stream, kind, json, Durability.Now, ct).ConfigureAwait(false);
        }
        catch (FedCoreException fault) when (fault.Code == EventLog.Broken)
        {
            await foreach (LoggedEvent _ in log.ReadAsync(stream, 0, ct).ConfigureAwait(false))
            {
                // When it has been read through, the stream is sound again.
            }

            await log.AppendAsync(stream, kind, json, Durability.Now, ct).ConfigureAwait(false);
        }
    }
}
