using System.Diagnostics.Metrics;
using FedCore.Rounds;

namespace FedCore.Aggregator.Telemetry;

/// <summary>The instruments of the meter <c>FedCore</c> that an aggregator has.</summary>
internal sealed class AggregatorMetrics : IDisposable
{
    /// <summary>The name of the meter and of the activity source.</summary>
    public const string Name = "FedCore";

    private readonly Meter _meter = new(Name);
    private readonly Counter<long> _rounds, _replies, _updates, _bytesIn, _bytesOut;
    private readonly Histogram<double> _roundSeconds;

    public AggregatorMetrics()
    {
        _rounds = _meter.CreateCounter<long>("fedcore.rounds", "{round}", "Rounds that ended, by whether the model changed.");
        _replies = _meter.CreateCounter<long>("fedcore.replies", "{reply}", "Replies of clients to training tasks, by outcome.");
        _updates = _meter.CreateCounter<long>("fedcore.updates", "{update}", "Updates that were accepted.");
        _bytesIn = _meter.CreateCounter<long>("fedcore.updates.received", "By", "Bytes of updates that were received.");
        _bytesOut = _meter.CreateCounter<long>("fedcore.blobs.sent", "By", "Bytes of models and other blobs that were sent.");
        _roundSeconds = _meter.CreateHistogram<double>("fedcore.round.duration", "s", "From the opening of a round to its closing.");
    }

    /// <summary>Observes a number whenever somebody looks.</summary>
    public void Observe(string name, string unit, string description, Func<long> value) => _meter.CreateObservableGauge(name, value, unit, description);

    /// <summary>Counts a fact of a run.</summary>
    public void Count(string run, RunEvent fact)
    {
        var tag = new KeyValuePair<string, object?>("run", run);
        switch (fact)
        {
            case RoundEnded { Receipt: var receipt }:
                _rounds.Add(1, tag, new("committed", receipt.Committed));
                _roundSeconds.Record((receipt.Closed - receipt.Opened).TotalSeconds, tag);
                break;
            case ReplyTaken reply:
                _replies.Add(1, tag, new("outcome", reply.Outcome.ToString().ToLowerInvariant()));
                break;
        }
    }

    /// <summary>Counts an update that was accepted.</summary>
    public void UpdateAccepted(string run, long length)
    {
        _updates.Add(1, new KeyValuePair<string, object?>("run", run));
        _bytesIn.Add(length);
    }

    /// <summary>Counts bytes that were sent.</summary>
    public void Sent(long bytes) => _bytesOut.Add(bytes);

    public void Dispose() => _meter.Dispose();
}
