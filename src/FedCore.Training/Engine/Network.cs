using System.Numerics.Tensors;
using FedCore.Models;
using FedCore.Numerics;
using FedCore.Training.Layers;
using FedCore.Training.Losses;
using FedCore.Training.Tensors;

namespace FedCore.Training.Engine;

/// <summary>
/// A model that can be evaluated and differentiated, for batches up to a capacity. Parameters and gradients are views of flat vectors; activations live
/// in buffers of its own. In the steady state nothing is allocated.
/// </summary>
internal sealed class Network : IDisposable
{
    // Layers may read and write so many rows beyond a batch.
    private const int ExtraRows = Transpose.ExtraRows;

    private readonly Stage[] _stages;
    private readonly FlatVector[] _buffers;
    private readonly FlatVector[] _gradientBuffers;
    private readonly Loss _loss;
    private readonly FlatVector _parameters;
    private readonly FlatVector _gradients;
    private readonly int _firstTrainable;

    public Network(ModelPlan plan, EngineRegistry engine, int capacity, FlatVector parameters, FlatVector gradients)
    {
        Capacity = capacity;
        _parameters = parameters;
        _gradients = gradients;
        _loss = engine.Create(plan.Spec.Loss, plan);
        InputLength = checked((int)plan.Input.ElementCount);
        LabelWidth = plan.Label.Width;
        int widest = checked((int)plan.Layers.Select(layer => layer.Plan.Output.ElementCount).Append(plan.Input.ElementCount).Max());
        long values = (long)(capacity + ExtraRows) * widest;
        if (values > int.MaxValue)
        {
            throw FedCoreException.Configuration(
                "engine.batch", $"A batch of {capacity} examples has {values} values in the model's widest layer; at most {int.MaxValue} are possible. "
                + "Set training.batchSize to a smaller number.");
        }

        Inputs = Buffer(InputLength);
        Labels = new float[capacity * LabelWidth];

        var buffers = new List<FlatVector> { Inputs };
        var stages = new List<Stage>();
        long offset = 0;
        int tensor = 0;
        bool isNeeded = false;
        int? firstTrainable = null;
        for (int i = 0; i < plan.Layers.Count;)
        {
            PlannedLayer planned = plan.Layers[i];
            (Layer layer, LayerSite site, int count) = Create(plan.Layers, i, engine, capacity, firstTrainable is not null);
            FlatVector input = buffers[^1];

            // A layer in place overwrites its input, which the layer before it may need for its gradient; a flatten layer changes nothing.
            bool copies = isNeeded && layer.IsInPlace && layer is not FlattenLayer;
            FlatVector output = layer.IsInPlace && !copies ? input : Buffer(site.Size);
            if (output != input) buffers.Add(output);
            isNeeded = layer.NeedsOutput || (isNeeded && output == input);
            int length = 0;
            foreach (TensorSpec spec in plan.Layers.Skip(i).Take(count).SelectMany(layer => layer.Plan.Tensors))
            {
                if (spec.Role != TensorRole.Trainable)
                    throw FedCoreException.Configuration("engine.role", $"The embedded engine cannot train '{plan.Schema.Tensors[tensor].Name}', which is {spec.Role}.");
                length = checked(length + (int)plan.Schema.Tensors[tensor++].Length);
            }

            if (length > 0) firstTrainable ??= stages.Count;
            stages.Add(new Stage(layer, input, output, copies, checked((int)planned.Input.ElementCount), site.Size, offset, length));
            offset += length;
            i += count;
        }

        _stages = [.. stages];
        _firstTrainable = firstTrainable ?? stages.Count;
        UsesRandom = stages.Exists(stage => stage.Layer is DropoutLayer || stage.Layer.GetType().Assembly != typeof(Network).Assembly);
        _buffers = [.. buffers];
        _gradientBuffers = [Buffer(widest), Buffer(widest)];

        FlatVector Buffer(int size) => new((long)(capacity + ExtraRows) * size);
    }

    /// <summary>The largest batch.</summary>
    public int Capacity { get; }

    public int InputLength { get; }

    public int LabelWidth { get; }

    /// <summary>Whether a layer wants random numbers while training.</summary>
    public bool UsesRandom { get; }

    /// <summary>Where the features of a batch go, [batch, features].</summary>
    public FlatVector Inputs { get; }

    /// <summary>Where the labels of a batch go, [batch, label width].</summary>
    public float[] Labels { get; }

    /// <summary>Number of sums that the loss reports.</summary>
    public int SumCount => _loss.SumCount;

    /// <summary>The outputs of the last forward pass, [batch, outputs].</summary>
    public FlatVector Outputs => _stages[^1].Output;

    /// <summary>Computes the outputs of the batch in <see cref="Inputs"/>.</summary>
    public void Forward(int batch, bool training, RandomStream? random)
    {
        foreach (Stage stage in _stages)
        {
            if (stage.Copies) stage.Input.Slice(0, batch * stage.InputSize).CopyTo(stage.Output.AsSpan());
            var pass = new LayerPass(batch, training, Parameters(stage), default, isStep: false, random);
            stage.Layer.Forward(pass, Rows(stage.Source, batch, stage.InputSize), Rows(stage.Output, batch, stage.OutputSize));
        }
    }

    /// <summary>Adds the losses and metrics of the batch in <see cref="Labels"/> to sums, without a gradient.</summary>
    public void Evaluate(int batch, Span<double> sums) =>
        _loss.Evaluate(Rows(Outputs, batch, _stages[^1].OutputSize), Labels.AsSpan(0, batch * LabelWidth), batch, default, sums);

    /// <summary>
    /// Behind a forward pass: loss, metrics, and the gradients of the batch's mean loss; or, with a step, parameters += step x gradient.
    /// </summary>
    public void Backward(int batch, RandomStream? random, float step, Span<double> sums)
    {
        int current = 0;
        Stage last = _stages[^1];
        Span<float> lossGradient = Rows(_gradientBuffers[current], batch, last.OutputSize);
        _loss.Evaluate(Rows(last.Output, batch, last.OutputSize), Labels.AsSpan(0, batch * LabelWidth), batch, lossGradient, sums);

        // All that follows is linear in it, so a step is a factor here, where the numbers are fewest, and a sum in the parameters.
        if (step != 0) TensorPrimitives.Multiply(lossGradient[..(batch * last.OutputSize)], step, lossGradient);
        for (int i = _stages.Length - 1; i >= _firstTrainable; i--)
        {
            Stage stage = _stages[i];
            Span<float> outputGradient = Rows(_gradientBuffers[current], batch, stage.OutputSize), inputGradient = default;
            if (stage.Layer.IsInPlace)
            {
                inputGradient = outputGradient;
            }
            else if (i > _firstTrainable)
            {
                current ^= 1;
                inputGradient = Rows(_gradientBuffers[current], batch, stage.InputSize);
            }

            Span<float> parameters = Parameters(stage), gradients = _gradients.Slice(stage.Offset, stage.Length);
            var pass = new LayerPass(batch, training: true, parameters, gradients, step != 0, random);
            bool moved = stage.Layer.Backward(
                pass, Rows(stage.Source, batch, stage.InputSize), Rows(stage.Output, batch, stage.OutputSize), outputGradient, inputGradient);
            if (step != 0 && !moved && stage.Length > 0) TensorPrimitives.Add(parameters, gradients, parameters);
        }
    }

    public void Dispose()
    {
        foreach (Stage stage in _stages) stage.Layer.Dispose();
        foreach (FlatVector buffer in _buffers) buffer.Dispose();
        foreach (FlatVector buffer in _gradientBuffers) buffer.Dispose();
    }

    // The arithmetic of the layer at a place, or of it and the next one where there is one for both.
    private static (Layer Layer, LayerSite Site, int Count) Create(
        IReadOnlyList<PlannedLayer> layers, int place, EngineRegistry engine, int capacity, bool needsInputGradient)
    {
        PlannedLayer first = layers[place];
        var site = new LayerSite(first.Input, first.Plan.Output, capacity, needsInputGradient);
        if (place + 1 == layers.Count) return (engine.Create(first.Spec, site), site, 1);
        PlannedLayer second = layers[place + 1];
        var both = new LayerSite(first.Input, second.Plan.Output, capacity, needsInputGradient);
        return engine.CreatePair(first.Spec, second.Spec, both) is { } pair ? (pair, both, 2) : (engine.Create(first.Spec, site), site, 1);
    }

    private Span<float> Parameters(Stage stage) => _parameters.Slice(stage.Offset, stage.Length);

    private static Span<float> Rows(FlatVector buffer, int batch, int size) => buffer.Slice(0, (batch + ExtraRows) * size);

    private sealed record Stage(
        Layer Layer, FlatVector Input, FlatVector Output, bool Copies, int InputSize, int OutputSize, long Offset, int Length)
    {
        // What the layer sees as its input.
        public FlatVector Source { get; } = Copies ? Output : Input;
    }
}
