using FedCore.Rounds;
using FedCore.Strategies;

namespace FedCore.Simulation.ClientStates;

/// <summary>Checkpoints of a simulation: the server's state, and before it what the clients keep, so that both are of the same round.</summary>
internal sealed class ClientStateCheckpoints(ICheckpointStore server, ClientStateStore clients) : ICheckpointStore
{
    public bool IsDue(int round) => server.IsDue(round);

    public ValueTask<string> SaveAsync(int round, ServerState state, CancellationToken ct)
    {
        clients.Save(round);
        return server.SaveAsync(round, state, ct);
    }

    public ValueTask LoadAsync(CheckpointSaved saved, ServerState state, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(saved);
        clients.Load(saved.Round);
        return server.LoadAsync(saved, state, ct);
    }
}
