using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Optimizers;
using FedCore.Training.Layers;
using FedCore.Training.Layers.Attention;
using FedCore.Training.Layers.Normalization;
using FedCore.Training.Layers.Recurrent;
using FedCore.Training.Losses;
using FedCore.Training.Optimizers;

namespace FedCore.Training.Engine;

/// <summary>Which arithmetic belongs to which layer, loss and optimizer of a run file. A program may add its own.</summary>
public sealed class EngineRegistry
{
    private readonly Dictionary<Type, Func<LayerSpec, LayerSite, Layer>> _layers = [];
    private readonly Dictionary<(Type, Type), Func<LayerSpec, LayerSpec, LayerSite, Layer>> _pairs = [];
    private readonly Dictionary<Type, Func<LossSpec, ModelPlan, Loss>> _losses = [];
    private readonly Dictionary<Type, Func<OptimizerSpec, long, Optimizer>> _optimizers = [];

    /// <summary>A registry that holds what the embedded engine brings along.</summary>
    /// <returns>A new registry.</returns>
    public static EngineRegistry CreateDefault()
    {
        var engine = new EngineRegistry();
        return engine
            .AddLayer<LinearSpec>((spec, site) => new LinearLayer(spec, site.Input))
            .AddLayer<Conv2dSpec>((spec, site) => new Conv2dLayer(spec, site.Input, site.Output, site.Capacity, site.NeedsInputGradient))
            .AddLayer<MaxPool2dSpec>((spec, site) => new Pool2dLayer<MaxPooling>(spec, site.Input, site.Output))
            .AddLayer<AveragePool2dSpec>((spec, site) => new Pool2dLayer<AveragePooling>(spec, site.Input, site.Output))
            .AddLayer<FlattenSpec>((_, _) => new FlattenLayer())
            .AddLayer<ReluSpec>((_, site) => new ReluLayer(site.Size))
            .AddLayer<TanhSpec>((_, site) => new TanhLayer(site.Size))
            .AddLayer<SigmoidSpec>((_, site) => new SigmoidLayer(site.Size))
            .AddLayer<GeluSpec>((_, site) => new GeluLayer(site.Size))
            .AddLayer<DropoutSpec>((spec, site) => new DropoutLayer(site.Size, spec.Rate, site.Capacity))
            .AddLayer<BatchNormSpec>((spec, site) => new BatchNormLayer(spec, site.Input))
            .AddLayer<LayerNormSpec>((spec, site) => new LayerNormLayer(spec, site.Input, site.Capacity))
            .AddLayer<GroupNormSpec>((spec, site) => new GroupNormLayer(spec, site.Input, site.Capacity))
            .AddLayer<EmbeddingSpec>((spec, site) => new EmbeddingLayer(spec, site.Input, site.Capacity))
            .AddLayer<LstmSpec>((spec, site) => new LstmLayer(spec, site))
            .AddLayer<AttentionSpec>((spec, site) => new AttentionLayer(spec, site))
            .AddLayer<ResidualSpec>((spec, site) => new ResidualLayer(spec, site, engine))
            .AddPair<ReluSpec, MaxPool2dSpec>((_, pool, site) => new Pool2dLayer<RectifiedMaxPooling>(pool, site.Input, site.Output))
            .AddLoss<SoftmaxCrossEntropySpec>((_, model) => new SoftmaxCrossEntropyLoss(model.Label.Classes, model.Label.Width))
            .AddLoss<BinaryCrossEntropySpec>((_, _) => new BinaryCrossEntropyLoss())
            .AddLoss<MeanSquaredErrorSpec>((_, model) => new MeanSquaredErrorLoss(model.Label.Width))
            .AddOptimizer<SgdSpec>((spec, parameters) => new SgdOptimizer(spec, parameters))
            .AddOptimizer<AdamSpec>((spec, parameters) => new AdamOptimizer(spec, parameters));
    }

    /// <summary>Says how a layer is computed.</summary>
    /// <typeparam name="TSpec">The layer's type in run files.</typeparam>
    /// <param name="create">Makes the arithmetic for a place in a network.</param>
    /// <returns>This registry.</returns>
    public EngineRegistry AddLayer<TSpec>(Func<TSpec, LayerSite, Layer> create) where TSpec : LayerSpec
    {
        _layers.Add(typeof(TSpec), (spec, site) => create((TSpec)spec, site));
        return this;
    }

    /// <summary>
    /// Says how two layers in a row are computed in one pass, wherever they stand so. The tensors of the second follow those of the first. Each pair of types
    /// can be added once; ReLU before max pooling is there by default.
    /// </summary>
    /// <typeparam name="TFirst">The first layer's type in run files.</typeparam>
    /// <typeparam name="TSecond">The second layer's type.</typeparam>
    /// <param name="create">Makes the arithmetic for a place in a network, from the first layer's input to the second one's output.</param>
    /// <returns>This registry.</returns>
    public EngineRegistry AddPair<TFirst, TSecond>(Func<TFirst, TSecond, LayerSite, Layer> create)
        where TFirst : LayerSpec
        where TSecond : LayerSpec
    {
        _pairs.Add((typeof(TFirst), typeof(TSecond)), (first, second, site) => create((TFirst)first, (TSecond)second, site));
        return this;
    }

    /// <summary>Says how a loss is computed.</summary>
    /// <typeparam name="TSpec">The loss's type in run files.</typeparam>
    /// <param name="create">Makes the arithmetic for a model.</param>
    /// <returns>This registry.</returns>
    public EngineRegistry AddLoss<TSpec>(Func<TSpec, ModelPlan, Loss> create) where TSpec : LossSpec
    {
        _losses.Add(typeof(TSpec), (spec, model) => create((TSpec)spec, model));
        return this;
    }

    /// <summary>Says how an optimizer steps.</summary>
    /// <typeparam name="TSpec">The optimizer's type in run files.</typeparam>
    /// <param name="create">Makes the optimizer for a number of parameters.</param>
    /// <returns>This registry.</returns>
    public EngineRegistry AddOptimizer<TSpec>(Func<TSpec, long, Optimizer> create) where TSpec : OptimizerSpec
    {
        _optimizers.Add(typeof(TSpec), (spec, parameters) => create((TSpec)spec, parameters));
        return this;
    }

    internal Layer Create(LayerSpec spec, LayerSite site) => Find(_layers, spec, "layer")(spec, site);

    /// <summary>The arithmetic of two layers in one, or null where there is none.</summary>
    internal Layer? CreatePair(LayerSpec first, LayerSpec second, LayerSite site) =>
        _pairs.TryGetValue((first.GetType(), second.GetType()), out Func<LayerSpec, LayerSpec, LayerSite, Layer>? create) ? create(first, second, site) : null;

    internal Loss Create(LossSpec spec, ModelPlan model) => Find(_losses, spec, "loss")(spec, model);

    internal Optimizer Create(OptimizerSpec spec, long parameters) => Find(_optimizers, spec, "optimizer")(spec, parameters);

    private static T Find<T>(Dictionary<Type, T> known, object spec, string kind) => known.TryGetValue(spec.GetType(), out T? create)
        ? create
        : throw FedCoreException.Configuration(
            "engine.unknown", $"The embedded engine cannot compute the {kind} {spec.GetType().Name}. Add it to the engine's registry.");
}

/// <summary>A layer's place in a network.</summary>
/// <param name="Input">The shape of one example before the layer.</param>
/// <param name="Output">The shape of one example behind it.</param>
/// <param name="Capacity">The largest batch.</param>
/// <param name="NeedsInputGradient">Whether a layer before it has parameters.</param>
public sealed record LayerSite(Shape Input, Shape Output, int Capacity, bool NeedsInputGradient)
{
    /// <summary>What the layer was planned to be; null where it is made by itself.</summary>
    internal LayerPlan? Plan { get; init; }

    /// <summary>Which tensors' places are taken; the layers within a layer take the next.</summary>
    internal TensorPlaces Places { get; init; } = new();

    /// <summary>Numbers per example behind the layer.</summary>
    public int Size { get; } = checked((int)Output.ElementCount);
}
