using System.Numerics.Tensors;
using FedCore.Models;
using FedCore.Numerics;
using FedCore.Training.Losses;

namespace FedCore.Training.Engine;

/// <summary>
/// A model that can be evaluated and differentiated, for batches up to a capacity. Parameters and gradients are views of flat vectors; activations live
/// in buffers of its own. In the steady state nothing is allocated.
/// </summary>
internal sealed unsafe class Network : IDisposable
{
    private readonly StageChain _layers;
    private readonly Loss _loss;
    private readonly FlatVector _parameters;
    private readonly FlatVector _gradients;
    private readonly FlatVector? _buffers;
    private float[] _factors = [];

    /// <summary>Of the clip, by which a gradient that was clipped may be longer, as it is with floats.</summary>
    public const double ClipTolerance = 1e-3;

    /// <param name="plan">The model.</param>
    /// <param name="engine">How each layer is computed.</param>
    /// <param name="capacity">The largest batch.</param>
    /// <param name="parameters">Those that are averaged, and behind them those that are the client's own.</param>
    /// <param name="gradients">The place of their gradients.</param>
    /// <param name="buffers">What is not trained, in the same order; null for a model without.</param>
    public Network(ModelPlan plan, EngineRegistry engine, int capacity, FlatVector parameters, FlatVector gradients, FlatVector? buffers = null)
    {
        Capacity = capacity;
        (_parameters, _gradients, _buffers) = (parameters, gradients, buffers);
        _loss = engine.Create(plan.Spec.Loss, plan);
        var places = new TensorPlaces(plan.Schema.TrainableCount, plan.Schema.BufferCount);
        _layers = new StageChain(plan.Layers, engine, capacity, needsInputGradient: false, places);
        ArgumentOutOfRangeException.ThrowIfLessThan(parameters.Length, places.ParameterEnd, nameof(parameters));
        ArgumentOutOfRangeException.ThrowIfLessThan(gradients.Length, places.ParameterEnd, nameof(gradients));
        ArgumentOutOfRangeException.ThrowIfLessThan(buffers?.Length ?? 0, places.BufferEnd, nameof(buffers));
        LabelWidth = plan.Label.Width;
        Labels = new float[checked(capacity * LabelWidth)];
    }

    /// <summary>The largest batch.</summary>
    public int Capacity { get; }

    public int InputLength => _layers.InputSize;

    public int LabelWidth { get; }

    /// <summary>Whether a layer wants random numbers while training.</summary>
    public bool UsesRandom => _layers.UsesRandom;

    /// <summary>Where the features of a batch go, [batch, features].</summary>
    public FlatVector Inputs => _layers.Inputs;

    /// <summary>Where the labels of a batch go, [batch, label width].</summary>
    public float[] Labels { get; }

    /// <summary>Number of sums that the loss reports.</summary>
    public int SumCount => _loss.SumCount;

    /// <summary>The outputs of the last forward pass, [batch, outputs].</summary>
    public FlatVector Outputs => _layers.Outputs;

    /// <summary>Computes the outputs of the batch in <see cref="Inputs"/>.</summary>
    public void Forward(int batch, bool training, PassRandom random) => _layers.Forward(batch, training, All, random);

    /// <summary>Adds the losses and metrics of the batch in <see cref="Labels"/> to sums, without a gradient.</summary>
    public void Evaluate(int batch, Span<double> sums) => Evaluate(batch, default, sums);

    /// <summary>
    /// Behind a forward pass: loss, metrics, and the gradients of the batch's mean loss; or, with a step, parameters += step x gradient.
    /// </summary>
    public void Backward(int batch, PassRandom random, float step, Span<double> sums)
    {
        Span<float> lossGradient = _layers.OutputGradient(batch);
        Evaluate(batch, lossGradient, sums);

        // All that follows is linear in it, so a step is a factor here, where the numbers are fewest, and a sum in the parameters.
        if (step != 0) Scale(batch, lossGradient, step);
        _layers.Backward(batch, All, step != 0, random, default);
    }

    /// <summary>
    /// Behind a forward pass, in place of <see cref="Backward"/>: loss, metrics, and for each example the squared Euclidean norm of the gradient of its own loss
    /// with respect to all parameters. What stands among the gradients is overwritten. <see cref="Backward"/> may follow without another forward pass.
    /// </summary>
    /// <exception cref="FedCoreException">A layer with parameters does not know the gradients of single examples (<c>privacy.composition</c>).</exception>
    public void BackwardNorms(int batch, PassRandom random, Span<double> squaredNorms, Span<double> sums)
    {
        EvaluateApart(batch, _layers.OutputGradient(batch), sums);
        squaredNorms = squaredNorms[..batch];
        squaredNorms.Clear();
        _layers.Backward(batch, All, isStep: false, random, squaredNorms);
    }

    /// <summary>
    /// Behind <see cref="BackwardNorms"/>: the sum over the batch of each example's gradient of its own loss, scaled down to a norm where it is longer. The gradients of all examples are never there at
    /// once (Lee and Kifer 2021, "Scaling up differentially private deep learning with fast per-example gradient clipping"): their norms come from one backward pass, and a second one sums them with
    /// the factors that the norms give, and looks at what it sums.
    /// </summary>
    /// <param name="batch">Examples.</param>
    /// <param name="random">Random numbers for layers that use some.</param>
    /// <param name="clip">The largest norm, above 0.</param>
    /// <param name="squaredNorms">Each example's squared norm, which is finite. Receives those of what is summed; infinite where an example has to be left out.</param>
    /// <returns>Whether no gradient in the sum is longer than the clip; otherwise the sum is good for nothing, and so is what the forward pass has left.</returns>
    /// <remarks>
    /// Whoever chose the weights may have chosen them so that what comes back with a factor is not what came back without times the factor. An example whose gradient is longer than the clip all the
    /// same has to count as none.
    /// </remarks>
    public bool BackwardClipped(int batch, PassRandom random, double clip, Span<double> squaredNorms)
    {
        squaredNorms = squaredNorms[..batch];
        if (_factors.Length < batch) _factors = new float[Capacity];
        Span<float> factors = _factors.AsSpan(0, batch);
        for (int example = 0; example < batch; example++)
        {
            double norm = Math.Sqrt(squaredNorms[example]);
            factors[example] = norm > clip ? (float)(clip / norm) : 1;
        }

        double most = clip * (1 + ClipTolerance);
        squaredNorms.Clear();
        Weight(batch, factors);
        _layers.Backward(batch, All, isStep: false, random, squaredNorms, keepsExamplesApart: true);
        bool isWithin = true;
        for (int example = 0; example < batch; example++)
        {
            if (squaredNorms[example] <= most * most) continue;
            (squaredNorms[example], isWithin) = (double.PositiveInfinity, false);
        }

        return isWithin;
    }

    // The gradient of the loss is used up on the way back, and is cheap to have again.
    private void Weight(int batch, ReadOnlySpan<float> factors)
    {
        Span<float> lossGradient = _layers.OutputGradient(batch);
        Span<double> again = stackalloc double[SumCount];
        EvaluateApart(batch, lossGradient, again);
        for (int example = 0; example < batch; example++)
        {
            Span<float> row = lossGradient.Slice(example * _layers.OutputSize, _layers.OutputSize);
            TensorPrimitives.Multiply(row, factors[example], row);
        }
    }

    public void Dispose() => _layers.Dispose();

    private AllTensors All => new(_parameters.Pointer, _gradients.Pointer, _buffers is null ? null : _buffers.Pointer);

    private void Evaluate(int batch, Span<float> gradient, Span<double> sums) =>
        _loss.Evaluate(StageChain.Rows(Outputs, batch, _layers.OutputSize), Labels.AsSpan(0, batch * LabelWidth), batch, gradient, sums);

    // The gradients of the examples' own losses, by numbers that do not depend on how many there are.
    private void EvaluateApart(int batch, Span<float> gradient, Span<double> sums) =>
        _loss.EvaluateApart(StageChain.Rows(Outputs, batch, _layers.OutputSize), Labels.AsSpan(0, batch * LabelWidth), batch, gradient, sums);

    private void Scale(int batch, Span<float> lossGradient, float factor)
    {
        Span<float> values = lossGradient[..(batch * _layers.OutputSize)];
        TensorPrimitives.Multiply(values, factor, values);
    }
}
