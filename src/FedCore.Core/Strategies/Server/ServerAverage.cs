using System.ComponentModel.DataAnnotations;
using System.Numerics.Tensors;
using FedCore.Naming;
using FedCore.Numerics;

namespace FedCore.Strategies.Server;

/// <summary>The model moves by the mean change itself (McMahan et al. 2017, algorithm 1), or by a multiple of it.</summary>
[Paper("McMahan et al. 2017, Communication-Efficient Learning of Deep Networks from Decentralized Data", "https://arxiv.org/abs/1602.05629")]
public sealed class ServerAverage : IServerOptimizer
{
    /// <summary>The multiple; 1 replaces the model by the mean of the clients' models.</summary>
    [PaperValue("The paper's is 1.")]
    [Range(0, double.MaxValue, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 1;

    /// <inheritdoc/>
    public bool IsLinear => true;

    /// <inheritdoc/>
    public void Step(ServerState state, MeanChange change)
    {
        ArgumentNullException.ThrowIfNull(state);
        FlatVector model = state.Model.Trainable;
        float scale = (float)(LearningRate * change.Scale);
        foreach ((long offset, int count) in VectorBlocks.Of(model.Length))
        {
            Span<float> block = model.Slice(offset, count);
            TensorPrimitives.FusedMultiplyAdd(change.SumAt(offset, count), scale, block, block);
        }
    }
}
