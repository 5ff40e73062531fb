using System.ComponentModel.DataAnnotations;
using FedCore.Models;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Updates;

namespace FedCore.Strategies;

/// <summary>
/// Federated averaging (McMahan et al. 2017, algorithm 1): clients train locally, the global model moves by the weighted mean of their changes. A
/// client that cannot finish in time is left out.
/// </summary>
public class FedAvg : IStrategy
{
    private static readonly LocalTraining Standard = new();

    /// <summary>The mean change is multiplied by this before it is added to the model; 1 replaces the model by the mean of the clients' models.</summary>
    [Range(0, double.MaxValue, MinimumIsExclusive = true)]
    public double ServerLearningRate { get; init; } = 1;

    /// <inheritdoc/>
    public UpdateLayout Layout(ModelSchema schema) => UpdateLayout.ForModel(schema);

    /// <inheritdoc/>
    public virtual ClientTask Plan(RoundContext round, ClientDescriptor client)
    {
        ArgumentNullException.ThrowIfNull(round);
        return round.StandardTask;
    }

    /// <inheritdoc/>
    public virtual IClientAlgorithm CreateClientAlgorithm(ClientTask task) => Standard;

    /// <inheritdoc/>
    public void Apply(UpdateSum sum, RoundContext round, ServerState state)
    {
        ArgumentNullException.ThrowIfNull(sum);
        ArgumentNullException.ThrowIfNull(state);
        VectorBlocks.AddScaled(state.Model.Trainable, (float)(ServerLearningRate / sum.Weight), sum.Vector);
    }
}
