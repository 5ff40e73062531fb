using FedCore.Client.Outbox;
using FedCore.Client.Telemetry;
using FedCore.Protocol.V1;
using Google.Protobuf;
using Microsoft.Extensions.Logging;

namespace FedCore.Client.Tasks;

/// <summary>The runs for which the site keeps something from round to round. Now and then the aggregator is asked which of them are over, and these are let go of.</summary>
internal sealed class KeptRuns(UpdateOutbox outbox, RunRooms rooms, TimeProvider clock, ILogger log)
{
    /// <summary>How long it is not asked again where nothing has changed.</summary>
    public static readonly TimeSpan AskEvery = TimeSpan.FromMinutes(10);

    private const int MaxAsked = 1000;

    private long? _asked;

    /// <summary>Takes note that there may soon be another answer: the aggregator may be another process, or something was done that may have been the last.</summary>
    public void AskAgain() => _asked = null;

    /// <summary>The runs to ask about with the next call; none where it is not time to.</summary>
    public IReadOnlyList<KeptRun> ToAsk()
    {
        if (_asked is { } time && clock.GetElapsedTime(time) < AskEvery) return [];
        _asked = clock.GetTimestamp();
        try
        {
            return [.. outbox.KeptRuns().Take(MaxAsked).Select(last => new KeptRun { RunId = last.Run, DefinitionDigest = ByteString.CopyFrom(Convert.FromHexString(last.Hash)) })];
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            log.StateNotDropped(fault.Message.TrimEnd('.'));
            return [];
        }
    }

    /// <summary>Drops what is kept of runs. Where that fails, or an update of the run is still here, it is tried again when they are asked about again.</summary>
    /// <param name="ended">Runs that were asked about, and are over.</param>
    public void Drop(IEnumerable<KeptRun> ended)
    {
        foreach (KeptRun run in ended)
        {
            string folder = UpdateRecord.StateFolderOf(run.RunId, Convert.ToHexStringLower(run.DefinitionDigest.Span));
            if (outbox.IsAtWork(folder)) continue;
            rooms.Free(folder);
            try
            {
                outbox.ForgetState(folder);
                log.RunOver(run.RunId);
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                log.StateNotDropped(fault.Message.TrimEnd('.'));
            }
        }
    }
}
