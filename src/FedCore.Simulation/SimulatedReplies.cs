using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using FedCore.Rounds;

namespace FedCore.Simulation;

/// <summary>
/// The replies of simulated clients in the order of virtual time. Whoever waits for a reply moves the clock on, to the next reply or the next timer:
/// nothing runs in the background, so a simulation is the same every time.
/// </summary>
internal sealed class SimulatedReplies(VirtualClock clock) : ChannelReader<FleetReply>
{
    private readonly PriorityQueue<FleetReply, (DateTimeOffset At, long Sequence)> _queue = new();
    private readonly HashSet<SiteTask> _withdrawn = new(ReferenceEqualityComparer.Instance);
    private long _sequence;

    public void Add(FleetReply reply, double secondsFromNow)
    {
        // Who never answers is due on the last day of the calendar.
        double left = Math.Max(0, (DateTimeOffset.MaxValue - clock.GetUtcNow()).TotalSeconds - 86_400);
        if (double.IsFinite(secondsFromNow) && secondsFromNow > left)
        {
            throw FedCoreException.RunFailed(
                "simulation.time", $"A simulated client needs {secondsFromNow:G4} seconds, which is beyond the end of the calendar. "
                + "Raise the devices' examplesPerSecond, or set rounds.deadlineSeconds.");
        }

        _queue.Enqueue(reply, (clock.GetUtcNow().AddSeconds(Math.Min(secondsFromNow, left)), _sequence++));
    }

    public void Withdraw(SiteTask task) => _withdrawn.Add(task);

    public override bool TryRead([MaybeNullWhen(false)] out FleetReply item)
    {
        if (Next() is { } at && at <= clock.GetUtcNow())
        {
            item = _queue.Dequeue();
            return true;
        }

        item = null;
        return false;
    }

    public override ValueTask<bool> WaitToReadAsync(CancellationToken cancellationToken = default)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            DateTimeOffset? reply = Next(), timer = clock.NextTimer;
            if (reply is null && timer is null) return new ValueTask<bool>(false);
            if (timer is null || reply <= timer)
            {
                clock.AdvanceTo(reply!.Value);
                return new ValueTask<bool>(true);
            }

            clock.AdvanceTo(timer.Value);
        }

        return ValueTask.FromCanceled<bool>(cancellationToken);
    }

    private DateTimeOffset? Next()
    {
        while (_queue.TryPeek(out FleetReply? reply, out (DateTimeOffset At, long Sequence) key))
        {
            if (_withdrawn.Count == 0 || !_withdrawn.Remove(reply.Task)) return key.At;
            _queue.Dequeue();
        }

        return null;
    }
}
