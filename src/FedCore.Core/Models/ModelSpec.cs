using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;

namespace FedCore.Models;

/// <summary>A model as data: the shape of an example, layers one behind the other, and a loss. It is what a run ships instead of code.</summary>
public sealed record ModelSpec
{
    private const long MaxElementsPerExample = 1 << 28;

    /// <summary>The shape of one example: [features] or [height, width, channels].</summary>
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
    /// <exception cref="FedCoreException">A shape does not chain (<c>model.shape</c>), or two tensors share a name (<c>model.schema</c>).</exception>
    public ModelPlan Plan(Registry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        for (int axis = 0; axis < Input.Count; axis++)
        {
            if (Input[axis] < 1)
                throw FedCoreException.Configuration("model.shape", $"model.input[{axis}] is {Input[axis]}: every extent must be at least 1.");
        }

        var input = new Shape([.. Input]);
        var layers = new List<PlannedLayer>();
        var tensors = new List<(TensorSpec Spec, string FullName)>();
        Shape shape = input;
        for (int i = 0; i < Layers.Count; i++)
        {
            LayerSpec layer = Layers[i];
            string type = registry.NameOf(layer);
            LayerPlan plan = Guard($"model.layers[{i}] ({type})", shape, layer.Plan);
            string name = layer.Name ?? $"{type}{i}";
            foreach (TensorSpec tensor in plan.Tensors) tensors.Add((tensor, $"{name}.{tensor.Name}"));
            layers.Add(new PlannedLayer(layer, shape, plan));
            shape = plan.Output;
        }

        LabelPlan label = Guard($"model.loss ({registry.NameOf(Loss)})", shape, Loss.Plan);
        var schema = new ModelSchema(tensors.Select(t => (t.FullName, t.Spec.Shape, TensorType.F32, t.Spec.Role)));
        return new ModelPlan(this, input, shape, label, layers, schema, [.. tensors.Select(t => t.Spec.Initializer)]);
    }

    private static T Guard<T>(string place, Shape shape, Func<Shape, T> plan)
    {
        try
        {
            if (shape.ElementCount > MaxElementsPerExample)
                throw new ShapeException($"one example has {shape.ElementCount} values here; at most {MaxElementsPerExample} are supported");
            return plan(shape);
        }
        catch (Exception fault) when (fault is ShapeException or OverflowException)
        {
            throw FedCoreException.Configuration("model.shape", $"{place}: {fault.Message}.", fault);
        }
    }
}

/// <summary>A layer, the shape that reaches it, and what it makes of it.</summary>
/// <param name="Spec">The layer.</param>
/// <param name="Input">The shape of one example before it.</param>
/// <param name="Plan">The output's shape and the tensors.</param>
public sealed record PlannedLayer(LayerSpec Spec, Shape Input, LayerPlan Plan);

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
    [property: JsonIgnore] IReadOnlyList<Initializer> Initializers);
