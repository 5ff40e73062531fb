using System.ComponentModel.DataAnnotations;
using System.Numerics.Tensors;
using FedCore.Naming;
using FedCore.Numerics;

namespace FedCore.Strategies.Server;

/// <summary>
/// Momentum at the server, FedAvgM (Hsu et al. 2019, section 4.3): the mean change enters a velocity, v = momentum v + change, and the model moves along it.
/// </summary>
[Paper("Hsu et al. 2019, Measuring the Effects of Non-Identical Data Distribution for Federated Visual Classification", "https://arxiv.org/abs/1909.06335")]
public sealed class ServerMomentum : IServerOptimizer
{
    private const string Velocity = "velocity";

    /// <summary>The step along the velocity.</summary>
    [PaperValue("The paper's is 1.")]
    [Range(0, double.MaxValue, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 1;

    /// <summary>What is left of the velocity after a round, from 0 to below 1.</summary>
    [PaperValue("The paper tries 0.7, 0.9, 0.97, 0.99 and 0.997.")]
    [Range(0, 1, MaximumIsExclusive = true)]
    public double Momentum { get; init; } = 0.9;

    /// <inheritdoc/>
    public void Step(ServerState state, MeanChange change)
    {
        ArgumentNullException.ThrowIfNull(state);
        FlatVector model = state.Model.Trainable, velocity = state.Vector(Velocity);
        foreach ((long offset, int count) in VectorBlocks.Of(model.Length))
        {
            Span<float> w = model.Slice(offset, count), v = velocity.Slice(offset, count);
            TensorPrimitives.Multiply(v, (float)Momentum, v);
            TensorPrimitives.FusedMultiplyAdd(change.SumAt(offset, count), (float)change.Scale, v, v);
            TensorPrimitives.FusedMultiplyAdd(v, (float)LearningRate, w, w);
        }
    }
}
