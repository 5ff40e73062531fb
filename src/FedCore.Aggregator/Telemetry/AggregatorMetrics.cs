using System.Diagnostics.Metrics;
using FedCore.Hosting.Telemetry;
using FedCore.Rounds;

namespace FedCore.Aggregator.Telemetry;

/// <summary>The instruments of the meter <c>FedCore</c> that an aggregator has.</summary>
internal sealed class AggregatorMetrics : IDisposable
{
    // From rounds of a few small clients to rounds that wait for vehicles.
    private static readonly InstrumentAdvice<double> RoundSeconds = new() { HistogramBucketBoundaries = [0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400] };

    private readonly Counter<long> _rounds, _replies, _accepted, _refused, _bytesIn, _bytesOut;
    private readonly Histogram<double> _roundSeconds;

    public AggregatorMetrics()
    {
        _rounds = Meter.CreateCounter<long>("fedcore.rounds", "{round}", "Rounds that ended, by whether the model changed.");
        _roundSeconds = Meter.CreateHistogram("fedcore.round.duration", "s", "From the opening of a round to its closing.", advice: RoundSeconds);
        _replies = Meter.CreateCounter<long>("fedcore.replies", "{reply}", "Replies of clients to training tasks, by outcome.");
        _accepted = Meter.CreateCounter<long>("fedcore.updates.accepted", "{update}", "Updates that are durable and were waited for.");
        _refused = Meter.CreateCounter<long>("fedcore.updates.refused", "{update}", "Updates, or parts of them, that were not taken, by reason.");
        _bytesIn = Meter.CreateCounter<long>("fedcore.updates.received", "By", "Bytes of updates that came.");
        _bytesOut = Meter.CreateCounter<long>("fedcore.blobs.sent", "By", "Bytes of models and what goes with them that were sent.");
    }

    /// <summary>The meter. Other aggregators of a process have theirs.</summary>
    public Meter Meter { get; } = new(FedCoreTelemetry.Name);

    /// <summary>Counts a fact of a run.</summary>
    public void Count(string run, RunEvent fact)
    {
        KeyValuePair<string, object?> tag = Tag(FedCoreTelemetry.Run, run);
        switch (fact)
        {
            case RoundEnded { Receipt: var receipt }:
                _rounds.Add(1, tag, Tag(FedCoreTelemetry.Outcome, RunTrace.OutcomeOf(receipt)));
                _roundSeconds.Record((receipt.Closed - receipt.Opened).TotalSeconds, tag);
                break;
            case ReplyTaken reply:
                _replies.Add(1, tag, Tag(FedCoreTelemetry.Outcome, reply.Outcome.ToString().ToLowerInvariant()));
                break;
        }
    }

    /// <summary>Counts an update that was accepted.</summary>
    public void UpdateAccepted(string run) => _accepted.Add(1, Tag(FedCoreTelemetry.Run, run));

    /// <summary>Counts an update that was refused.</summary>
    public void UpdateRefused(string run, string reason) => _refused.Add(1, Tag(FedCoreTelemetry.Run, run), Tag(FedCoreTelemetry.Reason, reason));

    /// <summary>Counts bytes that came.</summary>
    public void Received(long bytes) => _bytesIn.Add(bytes);

    /// <summary>Counts bytes that were sent.</summary>
    public void Sent(long bytes) => _bytesOut.Add(bytes);

    public void Dispose() => Meter.Dispose();

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value);
}
