using System.Numerics.Tensors;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Numerics;
using FedCore.Training.Layers;
using FedCore.Training.Tensors;

namespace FedCore.Training.Engine;

/// <summary>
/// Layers one behind the other with the memory between them, for batches up to a capacity: those of a model, or those within a layer. In the steady state nothing is
/// allocated.
/// </summary>
internal sealed unsafe class StageChain : IDisposable
{
    // Layers may read and write so many rows beyond a batch.
    private const int ExtraRows = Transpose.ExtraRows;

    private readonly Stage[] _stages;
    private readonly FlatVector[] _buffers;
    private readonly FlatVector[] _gradientBuffers;
    private readonly int _first;
    private readonly bool _needsInputGradient;

    // Which of the two buffers the outputs' gradient goes into.
    private const int LastBuffer = 0;

    /// <summary>Makes the arithmetic of layers, and its memory.</summary>
    /// <param name="layers">The layers, at least one.</param>
    /// <param name="engine">How each is computed.</param>
    /// <param name="capacity">The largest batch.</param>
    /// <param name="needsInputGradient">Whether the gradient goes on to what is before the chain.</param>
    /// <param name="places">Deals out the places of the layers' tensors.</param>
    public StageChain(IReadOnlyList<PlannedLayer> layers, EngineRegistry engine, int capacity, bool needsInputGradient, TensorPlaces places)
    {
        Shape before = layers[0].Input;
        int widest = checked((int)layers.Select(layer => layer.Plan.Output.ElementCount).Append(before.ElementCount).Max());
        long values = (long)(capacity + ExtraRows) * widest;
        if (values > int.MaxValue)
        {
            throw FedCoreException.Configuration(
                "engine.batch", $"A batch of {capacity} examples has {values} values in the model's widest layer; at most {int.MaxValue} are possible. "
                + "Set training.batchSize to a smaller number.");
        }

        _needsInputGradient = needsInputGradient;
        InputSize = checked((int)before.ElementCount);
        Inputs = Buffer(InputSize);
        var buffers = new List<FlatVector> { Inputs };
        var stages = new List<Stage>();
        bool isNeeded = false;
        int? firstTrainable = null;
        for (int i = 0; i < layers.Count;)
        {
            PlannedLayer planned = layers[i];
            (Layer layer, LayerSite site, int count) = Create(layers, i, engine, new LayerSite(planned.Input, planned.Plan.Output, capacity, needsInputGradient || firstTrainable is not null) { Plan = planned.Plan, Places = places });
            FlatVector input = buffers[^1];

            // A layer in place overwrites its input, which the layer before it may need for its gradient; a flatten layer changes nothing.
            bool copies = isNeeded && layer.IsInPlace && layer is not FlattenLayer;
            FlatVector output = layer.IsInPlace && !copies ? input : Buffer(site.Size);
            if (output != input) buffers.Add(output);
            isNeeded = layer.NeedsOutput || (isNeeded && output == input);

            // The layers that a layer is made of have taken their places themselves.
            (TensorPlaces.Place parameters, TensorPlaces.Place own) = planned.Plan.Chains.Count > 0 ? default : places.Take([.. layers.Skip(i).Take(count).SelectMany(part => part.NamedTensors)]);
            if (planned.Plan.Tensors.Any(tensor => tensor.Role is TensorRole.Trainable or TensorRole.Local) || parameters.Length > 0) firstTrainable ??= stages.Count;
            stages.Add(new Stage(layer, input, output, copies, checked((int)planned.Input.ElementCount), site.Size, parameters, own));
            i += count;
        }

        _stages = [.. stages];
        _first = needsInputGradient ? 0 : firstTrainable ?? stages.Count;
        UsesRandom = stages.Exists(stage => stage.Layer.UsesRandom);
        _buffers = [.. buffers];
        _gradientBuffers = [Buffer(widest), Buffer(widest)];

        FlatVector Buffer(int size) => new((long)(capacity + ExtraRows) * size);
    }

    /// <summary>Numbers per example before the first layer.</summary>
    public int InputSize { get; }

    /// <summary>Numbers per example behind the last layer.</summary>
    public int OutputSize => _stages[^1].OutputSize;

    /// <summary>Whether a layer wants random numbers while training.</summary>
    public bool UsesRandom { get; }

    /// <summary>Where the inputs of a batch go. The first layers may overwrite them.</summary>
    public FlatVector Inputs { get; }

    /// <summary>The outputs of the last forward pass.</summary>
    public FlatVector Outputs => _stages[^1].Output;

    /// <summary>Computes the outputs of the batch in <see cref="Inputs"/>.</summary>
    public void Forward(int batch, bool training, AllTensors all, PassRandom random)
    {
        foreach (Stage stage in _stages)
        {
            if (stage.Copies) stage.Input.Slice(0, batch * stage.InputSize).CopyTo(stage.Output.AsSpan());
            LayerPass pass = stage.Pass(batch, training, all, isStep: false, random);
            stage.Layer.Forward(pass, Rows(stage.Source, batch, stage.InputSize), Rows(stage.Output, batch, stage.OutputSize));
        }
    }

    /// <summary>Where the gradient with respect to the outputs goes before <see cref="Backward"/>.</summary>
    public Span<float> OutputGradient(int batch) => Rows(_gradientBuffers[LastBuffer], batch, OutputSize);

    /// <summary>Computes the gradients behind a forward pass.</summary>
    /// <param name="batch">Number of examples.</param>
    /// <param name="all">All tensors of the network, and the place of their gradients.</param>
    /// <param name="isStep">Whether the gradients are to be added to the parameters.</param>
    /// <param name="random">The random numbers of the forward pass's stream.</param>
    /// <param name="squaredNorms">Where the squared norms of the single examples' gradients are added up, which are then computed in place of the
    /// gradients; otherwise empty.</param>
    /// <param name="keepsExamplesApart">Whether each example's gradient is formed by itself before it is added to the others; then there are gradients beside the norms too.</param>
    /// <returns>The gradient with respect to the inputs; empty where nobody needs it.</returns>
    public Span<float> Backward(int batch, AllTensors all, bool isStep, PassRandom random, Span<double> squaredNorms, bool keepsExamplesApart = false)
    {
        int current = LastBuffer;
        for (int i = _stages.Length - 1; i >= _first; i--)
        {
            Stage stage = _stages[i];
            Span<float> outputGradient = Rows(_gradientBuffers[current], batch, stage.OutputSize), inputGradient = default;
            if (stage.Layer.IsInPlace)
            {
                inputGradient = outputGradient;
            }
            else if (i > _first || _needsInputGradient)
            {
                current ^= 1;
                inputGradient = Rows(_gradientBuffers[current], batch, stage.InputSize);
            }

            LayerPass pass = stage.Pass(batch, training: true, all, isStep, random, keepsExamplesApart);
            ReadOnlySpan<float> input = Rows(stage.Source, batch, stage.InputSize), output = Rows(stage.Output, batch, stage.OutputSize);
            if (!squaredNorms.IsEmpty)
            {
                stage.Layer.BackwardNorms(pass, input, output, outputGradient, inputGradient, squaredNorms);
                if (keepsExamplesApart && !pass.Parameters.IsEmpty) stage.Layer.Backward(pass, input, output, outputGradient, default);
            }
            else if (!stage.Layer.Backward(pass, input, output, outputGradient, inputGradient) && isStep) TensorPrimitives.Add(pass.Parameters, pass.Gradients, pass.Parameters);
        }

        return _needsInputGradient ? Rows(_gradientBuffers[current], batch, InputSize) : default;
    }

    public void Dispose()
    {
        foreach (Stage stage in _stages) stage.Layer.Dispose();
        foreach (FlatVector buffer in _buffers) buffer.Dispose();
        foreach (FlatVector buffer in _gradientBuffers) buffer.Dispose();
    }

    /// <summary>A batch in a buffer, with the rows that layers may read and write beyond it.</summary>
    public static Span<float> Rows(FlatVector buffer, int batch, int size) => buffer.Slice(0, (batch + ExtraRows) * size);

    // The arithmetic of the layer at a place, or of it and the next one where there is one for both.
    private static (Layer Layer, LayerSite Site, int Count) Create(IReadOnlyList<PlannedLayer> layers, int place, EngineRegistry engine, LayerSite site)
    {
        LayerSpec first = layers[place].Spec;
        if (place + 1 == layers.Count) return (engine.Create(first, site), site, 1);
        PlannedLayer second = layers[place + 1];
        LayerSite both = new(site.Input, second.Plan.Output, site.Capacity, site.NeedsInputGradient);
        return engine.CreatePair(first, second.Spec, both) is { } pair ? (pair, both, 2) : (engine.Create(first, site), site, 1);
    }

    private sealed record Stage(
        Layer Layer, FlatVector Input, FlatVector Output, bool Copies, int InputSize, int OutputSize, TensorPlaces.Place Parameters, TensorPlaces.Place Buffers)
    {
        // What the layer sees as its input.
        public FlatVector Source { get; } = Copies ? Output : Input;

        public LayerPass Pass(int batch, bool training, AllTensors all, bool isStep, PassRandom random, bool keepsExamplesApart = false) =>
            new(batch, training, Parameters.Of(all.Parameters), Parameters.Of(all.Gradients), isStep, random.Shared, Buffers.Of(all.Buffers)) { All = all, Own = random.Own, KeepsExamplesApart = keepsExamplesApart };
    }
}
