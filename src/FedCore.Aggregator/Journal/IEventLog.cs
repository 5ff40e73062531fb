namespace FedCore.Aggregator.Journal;

/// <summary>
/// The aggregator's facts: streams of events that only grow. What an event means is its stream's business; the log knows their order and when they are kept.
/// </summary>
/// <remarks>Safe for many threads. Of two events that one caller appends one behind the other, to whichever streams, the second is never kept without the first.</remarks>
internal interface IEventLog : IAsyncDisposable
{
    /// <summary>How many transactions the log has committed.</summary>
    long Commits { get; }

    /// <summary>The events of a stream: all that were appended before, when they are kept.</summary>
    /// <param name="stream">The stream; one that nobody appended to is empty.</param>
    /// <param name="after">The sequence of the last event that is not wanted; 0 for all.</param>
    /// <param name="ct">Cancels the reading.</param>
    /// <returns>The events, oldest first. Where all of the stream have been read, from its first, a broken stream is sound again.</returns>
    /// <exception cref="FedCoreException">The log cannot be read, or what it holds is not what was appended.</exception>
    IAsyncEnumerable<LoggedEvent> ReadAsync(string stream, long after, CancellationToken ct);

    /// <summary>Adds an event behind the others of its stream.</summary>
    /// <param name="stream">The stream; its first event creates it.</param>
    /// <param name="kind">What happened, in a word.</param>
    /// <param name="json">The event.</param>
    /// <param name="durability">When the task ends.</param>
    /// <param name="ct">Cancels the waiting for room in the queue. An event that has been queued is not taken back.</param>
    /// <returns>A task that ends as the durability says.</returns>
    /// <exception cref="FedCoreException">
    /// The event is not kept, or may not be (<see cref="EventLog.Lost"/>), or an earlier one of the stream was not and the stream has not been read again since (<see cref="EventLog.Broken"/>).
    /// </exception>
    ValueTask AppendAsync(string stream, string kind, string json, Durability durability, CancellationToken ct);

    /// <summary>The streams that hold events.</summary>
    /// <param name="prefix">How their names begin; empty for all.</param>
    /// <param name="ct">Cancels the reading.</param>
    /// <returns>Their names, ordered by their code points.</returns>
    ValueTask<IReadOnlyList<string>> ListAsync(string prefix, CancellationToken ct);
}

/// <summary>When an append ends.</summary>
internal enum Durability
{
    /// <summary>At once. The event is kept at the latest with the next one that is <see cref="Now"/>, or within <see cref="EventLog.Interval"/>.</summary>
    Ordered,

    /// <summary>When the event, and everything that was appended before it to whichever stream, would survive a loss of power.</summary>
    Now,
}

/// <summary>An event as it was kept.</summary>
/// <param name="Sequence">Its place in its stream: 1, 2, 3, ... without gaps.</param>
/// <param name="At">When it was appended, in whole microseconds, in UTC.</param>
/// <param name="Kind">What happened, in a word.</param>
/// <param name="Json">The event.</param>
internal sealed record LoggedEvent(long Sequence, DateTimeOffset At, string Kind, string Json);

/// <summary>An event on its way to the disk.</summary>
/// <param name="Stream">Its stream.</param>
/// <param name="Event">The event.</param>
internal sealed record NewEvent(string Stream, LoggedEvent Event);
