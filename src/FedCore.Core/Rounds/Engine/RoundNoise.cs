using System.Security.Cryptography;
using FedCore.Privacy;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Sampling;
using FedCore.Rounds.Privacy;
using FedCore.SecureAggregation.Ring;

namespace FedCore.Rounds.Engine;

/// <summary>The noise of a run's rounds: what it costs is reserved before it can be seen in anything, and only then is it drawn.</summary>
internal sealed class RoundNoise(ActiveRun run)
{
    private RunPrivacy Privacy => run.Plan.Privacy!;

    private int RestartEvery => Privacy.Tree!.RestartEvery ?? int.MaxValue;

    /// <summary>Why another round is not within a budget; null where it is.</summary>
    public async ValueTask<string?> RefusalAsync(int round, CancellationToken ct)
    {
        if (run.Plan.Privacy is not { } privacy || run.Options.Ledger is not { } ledger) return null;
        IReadOnlyList<PrivacyEvent> costs = privacy.Tree is null ? privacy.PlannedCosts(1) : TreeOf(round) is null ? [privacy.TreeFrom(round)] : [];
        return costs.Count == 0 ? null : await ledger.RefusalAsync(run.Plan, costs, ct).ConfigureAwait(false);
    }

    /// <summary>Reserves what the open round costs before its clients are asked, where they protect their examples by themselves. Where another run has spent the budget meanwhile, the round is closed.</summary>
    /// <returns>Whether the clients may be asked.</returns>
    public async ValueTask<bool> TryReserveAskingAsync(CancellationToken ct)
    {
        if (run.Plan.Privacy is not { IsAtSites: true } privacy || run.State.OpenNoise is not null) return true;
        try
        {
            await ReserveAsync(privacy.SiteRound, ct).ConfigureAwait(false);
            return true;
        }
        catch (FedCoreException fault) when (fault.Code == PrivacyNumbers.Budget)
        {
            await run.RecordAsync(new SetClosed(run.State.OpenRound!.Round, run.Now, $"nobody was asked: {fault.Code}: {fault.Message.TrimEnd('.')}"), ct).ConfigureAwait(false);
            return false;
        }
    }

    /// <summary>Reserves what the open round's noise costs, before there is a sum that it could be seen in.</summary>
    /// <param name="noise">The noise as it is going to be drawn, or what the sites do.</param>
    /// <param name="ct">Cancels the writing.</param>
    public async ValueTask ReserveAsync(PrivacyEvent noise, CancellationToken ct)
    {
        Privacy.Require(noise);
        int round = run.State.OpenRound!.Round;
        if (Privacy.Tree is not null)
        {
            await ReserveTreeAsync(round, ct).ConfigureAwait(false);
            return;
        }

        IReadOnlyList<string>? clients = Privacy.KnowsCohorts(Privacy.Against) ? [.. run.State.Exposed().Select(client => run.Fleet.Clients.Get(client).Id.Name)] : null;
        await ReserveAsync(new PrivacyReserved(round, noise, IsSimulated(round) ? PrivacySpending.Simulated : NewDraw()), Privacy.CostOf(noise), clients, ct).ConfigureAwait(false);
    }

    /// <summary>Adds the noise of the open round to a sum of its clients, which was reserved.</summary>
    /// <param name="sum">The sum.</param>
    public void AddNoise(RingSum sum)
    {
        int round = run.State.OpenRound!.Round;
        if (Privacy.Tree is null)
        {
            using RandomBytes noise = run.Options.PrivateRandom("noise", round);
            sum.AddNoise(noise);
            return;
        }

        // The model has the noise of the last sum that counted; it gets that of this one in its place.
        (int first, string draw) = TreeOf(round) ?? throw new InvalidOperationException("The round's noise was not reserved.");
        int before = run.State.Rounds.LastOrDefault(receipt => receipt.Committed && receipt.Round >= first)?.Round ?? first - 1;
        (IReadOnlyList<NoiseTree.Node> added, IReadOnlyList<NoiseTree.Node> removed) = NoiseTree.Between(before - first + 1, round - first + 1);
        foreach ((NoiseTree.Node node, bool isRemoved) in added.Select(node => (node, false)).Concat(removed.Select(node => (node, true))))
        {
            string name = FormattableString.Invariant($"{draw} {node.Level} {node.Index}");
            using RandomBytes noise = IsSimulated(round)
                ? run.Options.PrivateRandom(name, 0)
                : run.Options.NoiseKey.Draw($"{name} {run.State.Privacy.Trees[^1].Fresh[isRemoved ? RoundOf(node, first) : round]}");
            sum.AddNoise(noise, isRemoved);
        }
    }

    // The round that has added a node: the first one that counted with the node in its sum.
    private int RoundOf(NoiseTree.Node node, int first) =>
        run.State.Rounds.First(receipt => receipt.Committed && receipt.Round >= first && NoiseTree.Prefix(receipt.Round - first + 1).Contains(node)).Round;

    /// <summary>Whether noise comes from a seed, and protects nobody.</summary>
    public bool IsSimulated(int round)
    {
        using RandomBytes random = run.Options.PrivateRandom("noise", round);
        return random.IsSimulated;
    }

    private static string NewDraw() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    // A tree costs as a whole when it begins: who is going to be in it, nobody knows yet.
    private async ValueTask ReserveTreeAsync(int round, CancellationToken ct)
    {
        // What another key was to draw cannot be drawn any more.
        (int First, string Draw)? known = TreeOf(round);
        if (run.State.OpenNoise is not null && known is not null) return;
        (int first, string draw) = known ?? (round, $"{run.Options.NoiseKey.Id}-{NewDraw()}");

        // A journal that was put back from a copy has the tree still, and rounds of which the sums were seen already with other clients in them: noise that a round adds is never that of another time.
        var reserved = new PrivacyReserved(round, Privacy.TreeFrom(first), draw, IsSimulated(round) ? null : NewDraw());
        if (run.State.Privacy.Trees.Any(tree => tree.Draw == draw)) await run.RecordAsync(reserved, ct).ConfigureAwait(false);
        else await ReserveAsync(reserved, reserved.Noise, null, ct).ConfigureAwait(false);
    }

    // The tree that a round belongs to; null for a new one. Where the journal has a sum already of this round, or a later one, or the key is another, the old tree's noise must not come again. A
    // simulation's comes again with the very sums that it was in.
    private (int First, string Draw)? TreeOf(int round)
    {
        int start = (round - 1) / RestartEvery * RestartEvery + 1;
        if (IsSimulated(round)) return (start, FormattableString.Invariant($"{PrivacySpending.Simulated} tree {start}"));
        bool isReserved = run.State.OpenNoise is not null;
        return run.State.Privacy.Trees is [.., var tree] && round - tree.First < RestartEvery && (tree.Last < round || isReserved) && tree.Draw.StartsWith(run.Options.NoiseKey.Id, StringComparison.Ordinal)
            ? (tree.First, tree.Draw)
            : null;
    }

    private async ValueTask ReserveAsync(PrivacyReserved reserved, PrivacyEvent cost, IReadOnlyList<string>? clients, CancellationToken ct)
    {
        if (run.Options.Ledger is { } ledger) await ledger.ReserveAsync(run.Plan, reserved, cost, clients, ct).ConfigureAwait(false);
        await run.RecordAsync(reserved, ct).ConfigureAwait(false);
    }
}
