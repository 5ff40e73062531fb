using System.Runtime.CompilerServices;
using System.Text.Json;
using FedCore.Rounds;

namespace FedCore.Aggregator.Journal;

/// <summary>The facts of one run, which are a stream of the aggregator's log.</summary>
/// <param name="log">The log.</param>
/// <param name="stream">The run's stream, in which nothing else lies.</param>
/// <param name="json">How facts are written.</param>
internal sealed class RunJournal(IEventLog log, string stream, RunEventJson json) : IRunJournal
{
    /// <inheritdoc/>
    public async IAsyncEnumerable<RunEvent> ReadAsync([EnumeratorCancellation] CancellationToken ct)
    {
        await foreach (LoggedEvent logged in log.ReadAsync(stream, 0, ct).ConfigureAwait(false)) yield return Parse(logged);
    }

    /// <inheritdoc/>
    public ValueTask AppendAsync(RunEvent fact, CancellationToken ct)
    {
        // An update lies durably in the spool before it is taken, and the facts that rest on who was asked and who replied make these durable before themselves.
        Durability durability = fact is ReplyTaken or ClientAsked ? Durability.Ordered : Durability.Now;
        return log.AppendAsync(stream, RunEventJson.KindOf(fact), json.ToJson(fact), durability, ct);
    }

    private RunEvent Parse(LoggedEvent logged)
    {
        try
        {
            return json.Parse(logged.Json);
        }
        catch (JsonException fault)
        {
            throw FedCoreException.Configuration(
                "run.journal",
                $"The stream {Shown.Of(stream)}, event {logged.Sequence} ({Shown.Of(logged.Kind)}): this is no fact of a run ({fault.Message}). Restore the journal from a backup, or start the run anew.",
                fault);
        }
    }
}
