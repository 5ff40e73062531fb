using FedCore.Models;
using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Strategies.Server;
using FedCore.Updates;

namespace FedCore.Strategies;

/// <summary>
/// Federated averaging (McMahan et al. 2017, algorithm 1): clients train locally, the global model moves by the weighted mean of their changes. With a
/// server optimizer it is FedAvgM, FedAdagrad, FedAdam or FedYogi. A client that cannot finish in time is left out.
/// </summary>
[Paper("McMahan et al. 2017, Communication-Efficient Learning of Deep Networks from Decentralized Data", "https://arxiv.org/abs/1602.05629")]
public class FedAvg : IStrategy
{
    private static readonly LocalTraining Standard = new();

    /// <summary>How the server moves the model along the mean change.</summary>
    public IServerOptimizer Server { get; init; } = new ServerAverage();

    /// <inheritdoc/>
    public virtual bool IsLinear => Server.IsLinear;

    /// <inheritdoc/>
    public virtual bool KeepsClientState => false;

    /// <inheritdoc/>
    public virtual IReadOnlyList<string> Broadcasts => [];

    /// <inheritdoc/>
    public virtual void Check(RunDefinition run)
    {
    }

    /// <inheritdoc/>
    public virtual UpdateLayout Layout(ModelSchema schema) => UpdateLayout.ForModel(schema);

    /// <inheritdoc/>
    public virtual ClientTask Plan(RoundContext round, ClientDescriptor client)
    {
        ArgumentNullException.ThrowIfNull(round);
        return round.StandardTask;
    }

    /// <inheritdoc/>
    public virtual IClientAlgorithm CreateClientAlgorithm(ClientTask task) => Standard;

    /// <inheritdoc/>
    public virtual void Apply(UpdateSum sum, RoundContext round, ServerState state)
    {
        ArgumentNullException.ThrowIfNull(sum);
        Server.Step(state, new MeanChange(sum, 1 / sum.Weight));
    }
}
