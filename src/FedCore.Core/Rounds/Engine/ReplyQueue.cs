using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;

namespace FedCore.Rounds.Engine;

/// <summary>The fleet's replies, one by one.</summary>
internal sealed class ReplyQueue(IFleet fleet)
{
    // Replies that came while others were waited for.
    private readonly Queue<FleetReply> _early = new();

    /// <summary>Keeps a reply for later; it comes before those that the fleet has yet to hand over.</summary>
    public void Keep(FleetReply early) => _early.Enqueue(early);

    public ValueTask<FleetReply> NextAsync(CancellationToken ct) => TryNext(out FleetReply? reply) ? ValueTask.FromResult(reply) : ReadAsync(ct);

    /// <summary>The next reply that comes by a deadline.</summary>
    /// <returns>The reply; null when the deadline passed.</returns>
    public async ValueTask<FleetReply?> NextByAsync(CancellationToken deadline, CancellationToken ct)
    {
        if (TryNext(out FleetReply? reply)) return reply;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline, ct);
        try
        {
            return await ReadAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>The next reply, if it is there.</summary>
    public bool TryNext([NotNullWhen(true)] out FleetReply? reply) => _early.TryDequeue(out reply) || fleet.Replies.TryRead(out reply);

    private async ValueTask<FleetReply> ReadAsync(CancellationToken ct)
    {
        try
        {
            return await fleet.Replies.ReadAsync(ct).ConfigureAwait(false);
        }
        catch (ChannelClosedException fault)
        {
            throw FedCoreException.RunFailed("run.fleet-closed", "The fleet closed while clients still owed a reply.", fault);
        }
    }
}
