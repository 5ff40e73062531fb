using FedCore.Naming;

namespace FedCore.Models.Layers;

/// <summary>
/// Where layers stand in a model: it plans them one behind the other, names their tensors, and adds to what is wrong with one which one it is.
/// </summary>
internal sealed class LayerPlace
{
    private const long MaxElementsPerExample = 1 << 28;

    // The embedded engine sees a layer's tensors as one span.
    private const long MaxElementsPerLayer = int.MaxValue;

    // 32 GiB of weights, and a run keeps several copies.
    private const long MaxTrainable = 1L << 33;

    private readonly string _path, _prefix, _local;
    private readonly Registry? _registry;
    private readonly bool _isOwn;
    private readonly Totals _totals;

    // Of the names of tensors: what is before the layers here, and the part of it that their own names have within the layer that holds them.
    private LayerPlace(string path, string prefix, string local, Registry? registry, Totals totals, bool isInput, bool isOwn) =>
        (_path, _prefix, _local, _registry, _totals, IsInput, _isOwn) = (path, prefix, local, registry, totals, isInput, isOwn);

    /// <summary>A place for planning by shapes alone, where names do not matter.</summary>
    public static LayerPlace Unnamed => new("layer", "", "", null, new Totals(), isInput: true, isOwn: false);

    /// <summary>Whether what arrives here is the model's input as it is.</summary>
    public bool IsInput { get; }

    /// <summary>The place of a model's layers.</summary>
    public static LayerPlace Of(Registry registry) => new("model.layers", "", "", registry, new Totals(), isInput: true, isOwn: false);

    /// <summary>The place of the layers that a property of the layer here holds.</summary>
    /// <param name="property">The property's name in run files.</param>
    /// <param name="prefix">What their tensors' names begin with, behind the name of the layer here.</param>
    public LayerPlace Within(string property, string prefix) => new($"{_path}.{property}", _prefix + prefix, prefix, _registry, _totals, IsInput, _isOwn);

    /// <summary>Plans layers one behind the other.</summary>
    /// <exception cref="FedCoreException">As <see cref="ModelSpec.Plan"/>.</exception>
    public (IReadOnlyList<PlannedLayer> Layers, Shape Output) Chain(IReadOnlyList<LayerSpec> layers, Shape input)
    {
        var planned = new List<PlannedLayer>();
        Shape shape = input;
        for (int i = 0; i < layers.Count; i++)
        {
            LayerSpec layer = layers[i];
            string type = _registry?.NameOf(layer) ?? layer.GetType().Name, path = $"{_path}[{i}]", place = $"{path} ({type})", name = layer.Name ?? $"{type}{i}";
            bool isOwn = _isOwn || layer.Local;
            var inner = new LayerPlace(path, $"{_prefix}{name}.", "", _registry, _totals, IsInput && i == 0, isOwn);
            LayerPlan plan = Guard(place, shape, input => layer.Plan(input, inner));
            if (isOwn) plan = plan with { Tensors = [.. plan.Tensors.Select(Own)] };
            long elements = CountElements(place, plan);

            // The parts of a layer that is made of others have been counted.
            if (plan.Chains.Count == 0) Count(place, path, name, elements, plan);
            planned.Add(new PlannedLayer(layer, shape, plan) { Name = _local + name });
            shape = plan.Output;
        }

        return (planned, shape);
    }

    /// <summary>Lets a layer or loss see a shape, and adds its place to what it says is wrong.</summary>
    public static T Guard<T>(string place, Shape shape, Func<Shape, T> plan)
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

    // A tensor that stays at the site.
    private static TensorSpec Own(TensorSpec tensor) => tensor.Role switch
    {
        TensorRole.Trainable => tensor with { Role = TensorRole.Local },
        TensorRole.Buffer => tensor with { Role = TensorRole.LocalBuffer },
        _ => tensor,
    };

    private void Count(string place, string path, string name, long elements, LayerPlan plan)
    {
        _totals.Elements += elements;
        if (_totals.Elements > MaxTrainable)
        {
            throw FedCoreException.Configuration(
                "model.size", $"{place}: with this layer the model has {_totals.Elements} weights; at most {MaxTrainable} are supported. Use fewer or smaller layers.");
        }

        foreach (TensorSpec tensor in plan.Tensors)
        {
            string fullName = $"{_prefix}{name}.{tensor.Name}";
            if (_totals.Owners.TryAdd(fullName, path)) continue;
            throw FedCoreException.Configuration(
                "model.schema", $"{place}: its tensor '{Shown.Of(fullName)}' is called like one of {_totals.Owners[fullName]}. Change {path}.name; it is \"{Shown.Of(name)}\".");
        }
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

    /// <summary>What all places of a model count together.</summary>
    private sealed class Totals
    {
        public long Elements { get; set; }

        /// <summary>The place of the layer that has a tensor, by the tensor's name.</summary>
        public Dictionary<string, string> Owners { get; } = new(StringComparer.Ordinal);
    }
}
