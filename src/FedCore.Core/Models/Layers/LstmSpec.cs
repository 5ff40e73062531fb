using System.ComponentModel.DataAnnotations;
using FedCore.Naming;

namespace FedCore.Models.Layers;

/// <summary>
/// A long short-term memory over a sequence: i, f, o = sigmoid(x W + h R + b) and g = tanh(x W + h R + b), each with columns of its own; c = f c + i g; h = o
/// tanh(c). The columns of kernel, recurrent kernel and bias are those of i, f, g, o in this order, as in PyTorch, whose two biases are one here.
/// </summary>
[Paper("Hochreiter and Schmidhuber 1997; Gers et al. 2000, Learning to Forget", "https://doi.org/10.1162/089976600300015015")]
public sealed record LstmSpec : LayerSpec
{
    /// <summary>Numbers in the memory and in the output of a token, at least 1.</summary>
    [Range(1, 1 << 20)]
    public required int Units { get; init; }

    /// <summary>Whether the output is that of each token, [tokens, units], or that of the last one, [units].</summary>
    public bool ReturnSequences { get; init; }

    /// <inheritdoc/>
    public override LayerPlan Plan(Shape input)
    {
        RequireSequence(input);
        Initializer initial = Initializer.FanIn(Units);
        int columns = checked(4 * Units);
        return new LayerPlan(
            ReturnSequences ? new Shape(input[0], Units) : new Shape(Units),
            new TensorSpec("kernel", new Shape(input[1], columns), initial),
            new TensorSpec("recurrent", new Shape(Units, columns), initial),
            new TensorSpec("bias", new Shape(columns), initial));
    }
}
