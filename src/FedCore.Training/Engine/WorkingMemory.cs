using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Training.Tensors;

namespace FedCore.Training.Engine;

/// <summary>How many floats a network needs beside its parameters and their gradients, without making it: <see cref="StageChain"/> and the layers' own memory.</summary>
internal static class WorkingMemory
{
    private const int ExtraRows = Transpose.ExtraRows;

    // With fewer channels a convolution copies its input with zeros around it.
    private const int FewChannels = 6;

    /// <summary>The floats of a whole network.</summary>
    /// <param name="layers">Its layers.</param>
    /// <param name="capacity">The largest batch.</param>
    /// <param name="batch">The largest batch that is trained on.</param>
    public static long Of(IReadOnlyList<PlannedLayer> layers, int capacity, int batch) =>
        Of(layers, capacity, batch, needsInputGradient: false) + LargestTurned(layers, batch) + (long)capacity * layers[^1].Plan.Output.ElementCount;

    private static long Of(IReadOnlyList<PlannedLayer> layers, int capacity, int batch, bool needsInputGradient)
    {
        long rows = capacity + ExtraRows;
        long floats = rows * (layers[0].Input.ElementCount + 2 * layers.Select(layer => layer.Plan.Output.ElementCount).Append(layers[0].Input.ElementCount).Max());
        bool isNeeded = false;
        foreach (PlannedLayer layer in layers)
        {
            bool isInPlace = layer.Spec is ReluSpec or TanhSpec or SigmoidSpec or DropoutSpec or FlattenSpec;
            if (!isInPlace || (isNeeded && layer.Spec is not FlattenSpec)) floats += rows * layer.Plan.Output.ElementCount;
            isNeeded = NeedsOutput(layer.Spec) || (isNeeded && layer.Spec is FlattenSpec);
            floats += OwnOf(layer, capacity, batch, needsInputGradient);
            needsInputGradient |= layer.Plan.Tensors.Count > 0;
        }

        return floats;
    }

    private static bool NeedsOutput(LayerSpec spec) =>
        spec is not (Conv2dSpec or LinearSpec or EmbeddingSpec or LstmSpec or AttentionSpec or ResidualSpec or AveragePool2dSpec or GeluSpec or DropoutSpec or FlattenSpec
            or BatchNormSpec or GroupNormSpec or LayerNormSpec);

    private static long OwnOf(PlannedLayer layer, int capacity, int batch, bool needsInputGradient)
    {
        Shape input = layer.Input, output = layer.Plan.Output;
        switch (layer.Spec)
        {
            case Conv2dSpec conv:
                long padded = conv.Padding > 0 && input[2] < FewChannels ? (long)capacity * input[0] * (input[1] + 2L * conv.Padding) * input[2] : 0;
                if (!needsInputGradient) return padded;
                long spread = conv.Stride > 1 ? (long)capacity * ((output[0] - 1L) * conv.Stride + 1) * ((output[1] - 1L) * conv.Stride + 1) * output[2] : 0;
                return padded + spread + (long)conv.Kernel * conv.Kernel * (input[2] + 3) * (output[2] + 3);
            case LstmSpec lstm:
                long tokens = (long)capacity * input[0] + ExtraRows, units = lstm.Units;
                return tokens * (input[1] * (needsInputGradient ? 2 : 1) + 7 * units) + 2 * (capacity + ExtraRows) * units + (4 * units + ExtraRows) * units;
            case AttentionSpec attention:
                return ((long)capacity * input[0] + ExtraRows) * 8 * input[1] + (long)batch * attention.Heads * input[0] * input[0];
            case ResidualSpec:
                return layer.Plan.Chains.Sum(chain => Of(chain, capacity, batch, needsInputGradient));
            case DropoutSpec:
                return (long)capacity * output.ElementCount;
            case EmbeddingSpec or LayerNormSpec:
                return 2L * capacity * input[0];
            case GroupNormSpec:
                return 2L * capacity * input[input.Rank - 1];
            case LinearSpec or BatchNormSpec or GeluSpec or ReluSpec or TanhSpec or SigmoidSpec or FlattenSpec or MaxPool2dSpec or AveragePool2dSpec:
                return 0;
            default:
                return 2L * capacity * output.ElementCount;
        }
    }

    // Beside many rows the weights of a product are turned round for the gradient of its input.
    private static long LargestTurned(IReadOnlyList<PlannedLayer> layers, int batch)
    {
        long largest = 0;
        foreach (PlannedLayer layer in layers)
        {
            foreach (IReadOnlyList<PlannedLayer> chain in layer.Plan.Chains) largest = Math.Max(largest, LargestTurned(chain, batch));
            long rows = batch * (layer.Input.Rank == 2 ? layer.Input[0] : 1L);
            if (rows >= MatrixKernels.PackRows && layer.Spec is LinearSpec or LstmSpec or AttentionSpec)
                largest = Math.Max(largest, layer.Plan.Tensors.Select(tensor => tensor.Shape.ElementCount).DefaultIfEmpty().Max());
        }

        return largest;
    }
}
