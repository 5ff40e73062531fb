using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;

namespace FedCore.Models;

/// <summary>A model as data: the shape of an example, layers one behind the other, and a loss. It is what a run ships instead of code.</summary>
public sealed record ModelSpec
{
    /// <summary>The shape of one example: [features], [tokens], [tokens, width] or [height, width, channels].</summary>
    [MinLength(1), MaxLength(3)]
    public required IReadOnlyList<int> Input { get; init; }

    /// <summary>The layers, in order.</summary>
    [MinLength(1)]
    public required IReadOnlyList<LayerSpec> Layers { get; init; }

    /// <summary>The loss on the last layer's output.</summary>
    public required LossSpec Loss { get; init; }

    /// <summary>Checks that the shapes chain and lays the tensors out.</summary>
    /// <param name="registry">Names for the layers' tensors.</param>
    /// <returns>The plan.</returns>
    /// <exception cref="FedCoreException">A shape does not chain (<c>model.shape</c>), two tensors share a name (<c>model.schema</c>), or there are more
    /// weights than the engine takes (<c>model.size</c>).</exception>
    public ModelPlan Plan(Registry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        for (int axis = 0; axis < Input.Count; axis++)
        {
            if (Input[axis] < 1)
                throw FedCoreException.Configuration("model.shape", $"model.input[{axis}] is {Input[axis]}: every extent must be at least 1.");
        }

        var input = new Shape([.. Input]);
        (IReadOnlyList<PlannedLayer> layers, Shape output) = LayerPlace.Of(registry).Chain(Layers, input);
        LabelPlan label = LayerPlace.Guard($"model.loss ({registry.NameOf(Loss)})", output, Loss.Plan);
        TensorSpec[] tensors = [.. layers.SelectMany(layer => layer.NamedTensors)];
        var schema = new ModelSchema(tensors.Select(tensor => (tensor.Name, tensor.Shape, TensorType.F32, tensor.Role)));
        return new ModelPlan(this, input, output, label, layers, schema, [.. tensors.Select(tensor => tensor.Initializer)]);
    }
}

/// <summary>A layer, the shape that reaches it, and what it makes of it.</summary>
/// <param name="Spec">The layer.</param>
/// <param name="Input">The shape of one example before it.</param>
/// <param name="Plan">The output's shape and the tensors.</param>
public sealed record PlannedLayer(LayerSpec Spec, Shape Input, LayerPlan Plan)
{
    /// <summary>What its tensors' names begin with.</summary>
    public string Name { get; init; } = "";

    /// <summary>Its tensors with its name in theirs, such as <c>linear0.kernel</c>.</summary>
    public IEnumerable<TensorSpec> NamedTensors => Plan.Tensors.Select(tensor => tensor with { Name = $"{Name}.{tensor.Name}" });
}

/// <summary>A model whose shapes were checked.</summary>
/// <param name="Spec">The specification.</param>
/// <param name="Input">The shape of one example.</param>
/// <param name="Output">The shape of one example's output.</param>
/// <param name="Label">What a label looks like.</param>
/// <param name="Layers">The layers with their shapes.</param>
/// <param name="Schema">The tensors.</param>
/// <param name="Initializers">How each tensor of the schema gets its first values.</param>
public sealed record ModelPlan(
    ModelSpec Spec,
    Shape Input,
    Shape Output,
    LabelPlan Label,
    IReadOnlyList<PlannedLayer> Layers,
    ModelSchema Schema,
    [property: JsonIgnore] IReadOnlyList<Initializer> Initializers)
{
    /// <summary>How many different whole numbers, from 0 on, features may be: a vocabulary of tokens; 0 where they may be any numbers.</summary>
    public int Vocabulary => Layers is [PlannedLayer first, ..] ? first.Plan.Vocabulary : 0;
}
