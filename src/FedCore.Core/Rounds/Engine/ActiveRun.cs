using System.Security.Cryptography;
using FedCore.Privacy;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Sampling;
using FedCore.Rounds.Privacy;
using FedCore.Strategies;

namespace FedCore.Rounds.Engine;

/// <summary>A run that an engine is holding, as its parts share it. Where the run stands changes by facts alone, and each is in the journal before it counts.</summary>
internal sealed class ActiveRun(RunPlan plan, IFleet fleet, ServerState server, IRunJournal journal, RoundEngineOptions options, RunState state)
{
    public RunPlan Plan => plan;

    public IFleet Fleet => fleet;

    /// <summary>The global model, and what the strategy keeps beside it.</summary>
    public ServerState Server => server;

    public RoundEngineOptions Options => options;

    public RunState State => state;

    public RoundPolicy Policy => plan.Definition.Rounds;

    public bool IsBuffered => Policy.Buffer is not null;

    public DateTimeOffset Now => options.Clock.GetUtcNow();

    /// <summary>Folds what the journal already holds.</summary>
    public async ValueTask ReplayAsync(CancellationToken ct)
    {
        await foreach (RunEvent fact in journal.ReadAsync(ct).ConfigureAwait(false)) state.Apply(fact);
    }

    /// <summary>Reserves what the open round's noise costs, before there is a sum that it could be seen in.</summary>
    public async ValueTask ReserveAsync(PrivacyEvent noise, CancellationToken ct)
    {
        plan.Privacy!.Require(noise);
        int round = state.OpenRound!.Round;
        var reserved = new PrivacyReserved(round, noise, IsSimulated(round) ? "simulated" : Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)));
        if (options.Ledger is { } ledger)
        {
            RunPrivacy privacy = plan.Privacy;
            IReadOnlyList<string>? clients = privacy.KnowsCohorts(privacy.Against) ? [.. state.Clients.Select(client => fleet.Clients.Get(client).Id.Name)] : null;
            await ledger.ReserveAsync(plan, reserved, privacy.CostOf(privacy.Against, noise)!, clients, ct).ConfigureAwait(false);
        }

        await RecordAsync(reserved, ct).ConfigureAwait(false);
    }

    /// <summary>Reserves what the open round costs before its clients are asked, where they protect their examples by themselves. Where another run has spent the budget meanwhile, the round is closed.</summary>
    /// <returns>Whether the clients may be asked.</returns>
    public async ValueTask<bool> TryReserveAskingAsync(CancellationToken ct)
    {
        if (plan.Privacy is not { IsAtSites: true } privacy || state.OpenNoise is not null) return true;
        try
        {
            await ReserveAsync(privacy.PlannedCost, ct).ConfigureAwait(false);
            return true;
        }
        catch (FedCoreException fault) when (fault.Code == PrivacyNumbers.Budget)
        {
            await RecordAsync(new SetClosed(state.OpenRound!.Round, Now, $"nobody was asked: {fault.Code}: {fault.Message.TrimEnd('.')}"), ct).ConfigureAwait(false);
            return false;
        }
    }

    /// <summary>Whether noise comes from a seed, and protects nobody.</summary>
    public bool IsSimulated(int round)
    {
        using RandomBytes random = options.PrivateRandom("noise", round);
        return random.IsSimulated;
    }

    public async ValueTask RecordAsync(RunEvent fact, CancellationToken ct)
    {
        await journal.AppendAsync(fact, ct).ConfigureAwait(false);
        state.Apply(fact);
        options.Progress?.Report(fact);
    }
}
