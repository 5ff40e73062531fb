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

    // The embedded engine sees a layer's tensors as one span.
    private const long MaxElementsPerLayer = int.MaxValue;

    // 32 GiB of weights, and a run keeps several copies.
    private const long MaxTrainable = 1L << 33;

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
        var layers = new List<PlannedLayer>();
        var tensors = new List<(TensorSpec Spec, string FullName)>();
        var owners = new Dictionary<string, int>(StringComparer.Ordinal);
        long elements = 0;
        Shape shape = input;
        for (int i = 0; i < Layers.Count; i++)
        {
            LayerSpec layer = Layers[i];
            string type = registry.NameOf(layer);
            string place = $"model.layers[{i}] ({type})";
            LayerPlan plan = Guard(place, shape, layer.Plan);
            elements += CountElements(place, plan);
            if (elements > MaxTrainable)
            {
                throw FedCoreException.Configuration(
                    "model.size", $"{place}: with this layer the model has {elements} weights; at most {MaxTrainable} are supported. Use fewer or smaller layers.");
            }

            string name = layer.Name ?? $"{type}{i}";
            foreach (TensorSpec tensor in plan.Tensors)
            {
                string fullName = $"{name}.{tensor.Name}";
                if (!owners.TryAdd(fullName, i))
                {
                    throw FedCoreException.Configuration(
                        "model.schema", $"{place}: its tensor '{Shown.Of(fullName)}' is called like one of model.layers[{owners[fullName]}]. "
                        + $"Change model.layers[{i}].name; it is \"{Shown.Of(name)}\".");
                }

                tensors.Add((tensor, fullName));
            }

            layers.Add(new PlannedLayer(layer, shape, plan));
            shape = plan.Output;
        }

        LabelPlan label = Guard($"model.loss ({registry.NameOf(Loss)})", shape, Loss.Plan);
        var schema = new ModelSchema(tensors.Select(t => (t.FullName, t.Spec.Shape, TensorType.F32, t.Spec.Role)));
        return new ModelPlan(this, input, shape, label, layers, schema, [.. tensors.Select(t => t.Spec.Initializer)]);
    }

    private static long CountElements(string place, LayerPlan plan)
    {
        long elements = 0;
        foreach (TensorSpec tensor in plan.Tensors)
        {
            // As a floating-point number, since a product of extents may not fit 63 bits.
            double count = 1;
            foreach (int extent in tensor.Shape.Extents) count *= extent;
            if (count + elements > MaxElementsPerLayer)
            {
                throw FedCoreException.Configuration(
                    "model.size", $"{place}: its tensor '{tensor.Name}' {tensor.Shape} has {count:0} elements, "
                    + $"but a layer may have at most {MaxElementsPerLayer}{(elements > 0 ? $", and its other tensors have {elements}" : "")}. "
                    + "Make the layer smaller, or what reaches it.");
            }

            elements += (long)count;
        }

        return elements;
    }

    private static T Guard<T>(string place, Shape shape, Func<Shape, T> plan)
    {
        try
        {
            double count = 1;
            foreach (int extent in shape.Extents) count *= extent;
            if (count > MaxElementsPerExample)
            {
                throw new ShapeException(
                    $"one example has {count:0} values here, the shape {shape}; at most {MaxElementsPerExample} are supported. Make the layers before it or model.input smaller");
            }

            return plan(shape);
        }
        catch (ShapeException fault)
        {
            throw FedCoreException.Configuration("model.shape", $"{place}: {fault.Message}.", fault);
        }
        catch (OverflowException fault)
        {
            throw FedCoreException.Configuration("model.shape", $"{place}: it has more values than fit 32 bits. Make the layer smaller, or what reaches it.", fault);
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
