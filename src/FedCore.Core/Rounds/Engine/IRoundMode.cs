namespace FedCore.Rounds.Engine;

/// <summary>How a run's rounds come by their updates.</summary>
internal interface IRoundMode
{
    /// <summary>Opens a round, when enough clients are there, and hands out its tasks.</summary>
    ValueTask OpenAsync(int round, CancellationToken ct);

    /// <summary>Takes replies until the open round's set is complete, and closes it.</summary>
    ValueTask CollectAsync(CancellationToken ct);

    /// <summary>
    /// The places of the open round's clients whose updates are summed, in that order. Those that a sum before the process ended has refused are among them: what
    /// it refuses, and what that means for the round, is found anew.
    /// </summary>
    int[] ReportedPositions();

    /// <summary>What an update is multiplied with in the sum, its weight left as it is.</summary>
    double FactorOf(Flight flight);

    /// <summary>Who goes on with their tasks behind the open round.</summary>
    IReadOnlyList<Flight> Staying();

    /// <summary>Gives up, at the end of the engine, what it leaves to nobody.</summary>
    void Leave();
}
