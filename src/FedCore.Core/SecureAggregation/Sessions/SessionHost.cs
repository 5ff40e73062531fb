using FedCore.Aggregation;
using FedCore.Compression;
using FedCore.Numerics;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Ring;

namespace FedCore.SecureAggregation.Sessions;

/// <summary>How an aggregator reaches the clients of a session.</summary>
public interface ISessionChannel
{
    /// <summary>Asks clients and takes their answers, until all or enough are there, or nobody is waited for any longer. Who refuses, or whose answer is refused, is left out.</summary>
    /// <param name="stage">What is asked for.</param>
    /// <param name="clients">Whom.</param>
    /// <param name="messageTo">What goes to each.</param>
    /// <param name="read">Reads an answer; for several threads, and it may take a while.</param>
    /// <param name="accept">Takes what was read; one at a time.</param>
    /// <param name="isEnough">Whether the others are not needed.</param>
    /// <param name="ct">Cancels the asking.</param>
    /// <returns>A task that ends with the stage.</returns>
    Task AskAsync(
        SessionStage stage, IReadOnlyList<string> clients, Func<string, byte[]> messageTo, Func<IEncodedUpdate, byte[]> read, Action<string, byte[]> accept, Func<bool> isEnough, CancellationToken ct);
}

/// <summary>Leads a session through its five rounds.</summary>
/// <param name="terms">The session's terms.</param>
/// <param name="server">The aggregator's side of the protocol.</param>
/// <param name="channel">Where the clients are.</param>
/// <param name="resources">Threads and memory.</param>
public sealed class SessionHost(SessionTerms terms, ServerSession server, ISessionChannel channel, AggregationResources resources)
{
    /// <summary>Clients in the sum, once that is settled; 0 before.</summary>
    public int Survivors { get; private set; }

    /// <summary>Whether somebody may have given shares that unmask the sum, behind which there is no other attempt.</summary>
    public bool IsRevealed { get; private set; }

    /// <summary>Holds the session.</summary>
    /// <param name="encoding">How the inputs are written.</param>
    /// <param name="invited">The names of those who are asked.</param>
    /// <param name="ct">Cancels the work.</param>
    /// <returns>The sum and its memory, which the caller returns to the pool.</returns>
    /// <exception cref="SecureAggregationException">Too few took part, or too few stayed.</exception>
    public async Task<(RingSum Sum, FlatVector Memory)> HoldAsync(RingEncoding encoding, IReadOnlyList<string> invited, CancellationToken ct)
    {
        await AskAsync(SessionStage.Advertise, invited, _ => terms.Encode(), (name, bytes) => server.AcceptAdvertisement(name, bytes), ct).ConfigureAwait(false);
        byte[] list = server.CloseAdvertising();
        await AskAsync(SessionStage.Share, server.Awaited, _ => list, (name, bytes) => server.AcceptShares(name, bytes), ct).ConfigureAwait(false);
        server.CloseSharing();
        using var masked = new PartialRingSums(encoding, resources.Pool);
        await channel.AskAsync(SessionStage.Mask, server.Awaited, server.DeliveryTo, masked.Add, (name, _) => server.AcceptMaskedInput(name), Never, ct).ConfigureAwait(false);
        byte[] set = server.CloseMasking();
        Survivors = server.Awaited.Count;
        await AskAsync(SessionStage.Confirm, server.Awaited, _ => set, (name, bytes) => server.AcceptConfirmation(name, bytes), ct).ConfigureAwait(false);
        server.CloseConfirming();
        IsRevealed = true;
        await AskAsync(SessionStage.Unmask, server.Awaited, server.UnmaskRequestTo, (name, bytes) => server.AcceptUnmasking(name, bytes), ct, () => server.CanUnmask).ConfigureAwait(false);
        using SumMask mask = await UnmaskAsync(ct).ConfigureAwait(false);
        (RingSum sum, FlatVector memory) = masked.Total();
        await mask.RemoveFromAsync(sum, resources).ConfigureAwait(false);
        return (sum, memory);
    }

    // Among the first shares that were enough one may be wrong; those who were not waited for have others.
    private async Task<SumMask> UnmaskAsync(CancellationToken ct)
    {
        try
        {
            return await server.UnmaskAsync(resources).ConfigureAwait(false);
        }
        catch (SecureAggregationException fault) when (fault.Code == SecureAggregationCodes.Commitment && server.Awaited.Count > server.Arrived.Count)
        {
            await AskAsync(SessionStage.Unmask, [.. server.Awaited.Except(server.Arrived)], server.UnmaskRequestTo, (name, bytes) => server.AcceptUnmasking(name, bytes), ct).ConfigureAwait(false);
            return await server.UnmaskAsync(resources).ConfigureAwait(false);
        }
    }

    private Task AskAsync(
        SessionStage stage, IReadOnlyList<string> clients, Func<string, byte[]> messageTo, Action<string, byte[]> accept, CancellationToken ct, Func<bool>? isEnough = null) =>
        channel.AskAsync(stage, clients, messageTo, ReadAll, accept, isEnough ?? Never, ct);

    private static byte[] ReadAll(IEncodedUpdate answer)
    {
        byte[] all = new byte[answer.Length];
        for (int offset = 0; offset < all.Length; offset += IEncodedUpdate.LongestRead)
        {
            int count = Math.Min(IEncodedUpdate.LongestRead, all.Length - offset);
            answer.Read(offset, count).CopyTo(all.AsSpan(offset));
        }

        return all;
    }

    private static bool Never() => false;
}
