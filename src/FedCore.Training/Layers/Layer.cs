using FedCore.Numerics;
using FedCore.Training.Engine;

namespace FedCore.Training.Layers;

/// <summary>
/// The arithmetic of one layer for whole batches. Values are rows of examples, one behind the other. Buffers have room for three more rows than the
/// batch, and 64 readable bytes behind them.
/// </summary>
/// <remarks>A layer belongs to one network on one thread. It may keep scratch memory from forward to backward, and allocates nothing there.</remarks>
public abstract class Layer : IDisposable
{
    /// <summary>Whether the output overwrites the input; then backward sees the output in place of the input.</summary>
    public virtual bool IsInPlace => false;

    /// <summary>Whether backward reads the output. Then a layer in place behind this one works on a copy, so that the output stays what it was.</summary>
    public virtual bool NeedsOutput => true;

    /// <summary>Whether it wants random numbers while training; by default those do that a program adds of its own.</summary>
    public virtual bool UsesRandom => GetType().Assembly != typeof(Layer).Assembly;

    /// <summary>Computes the outputs of a batch.</summary>
    /// <param name="pass">The batch and the layer's parameters.</param>
    /// <param name="input">The inputs.</param>
    /// <param name="output">Receives the outputs; the same memory as <paramref name="input"/> for a layer in place.</param>
    public abstract void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output);

    /// <summary>
    /// Computes the gradients of a batch: those of the layer's parameters, and of its inputs where somebody needs them. In a step
    /// (<see cref="LayerPass.IsStep"/>) a layer may add the gradient to its parameters at once instead of storing it, and then returns true.
    /// </summary>
    /// <param name="pass">The batch, the layer's parameters and the place of their gradients.</param>
    /// <param name="input">The inputs.</param>
    /// <param name="output">The outputs.</param>
    /// <param name="outputGradient">The loss's gradient with respect to the outputs. It may be overwritten.</param>
    /// <param name="inputGradient">Receives the gradient with respect to the inputs; empty where nobody needs it; for a layer in place the same
    /// memory as <paramref name="outputGradient"/>.</param>
    /// <returns>Whether the parameters were moved.</returns>
    public abstract bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient);

    /// <summary>
    /// In place of <see cref="Backward"/>: computes the gradients of the inputs, and adds, for each example of the batch, the squared Euclidean norm of
    /// the gradient of that example's part of the loss with respect to the layer's parameters, without forming it where there is a shorter way (ghost
    /// norms: Goodfellow 2015; Li et al. 2022). It goes back by itself because some layers know what their parameters' gradients are made of only then, and
    /// leaves what <see cref="Backward"/> needs, which may follow it, at once and without an input gradient, or with the examples' gradients weighted. A promise rests on two things: a norm is
    /// never less than that of the gradient as floating-point numbers make it where examples are kept apart (<see cref="LayerPass.KeepsExamplesApart"/>), and what a layer computes for an example
    /// has the same bits in any batch.
    /// </summary>
    /// <param name="pass">The batch and the layer's parameters; not a step. The place of the gradients is scratch memory.</param>
    /// <param name="input">The inputs.</param>
    /// <param name="output">The outputs.</param>
    /// <param name="outputGradient">The loss's gradient with respect to the outputs. A layer with parameters leaves it as it is.</param>
    /// <param name="inputGradient">As in <see cref="Backward"/>.</param>
    /// <param name="squaredNorms">One number for each example, to be added to.</param>
    /// <exception cref="FedCoreException">The layer has parameters and does not say how its gradient falls apart into those of single examples (<c>privacy.composition</c>).</exception>
    public virtual void BackwardNorms(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient, Span<double> squaredNorms)
    {
        if (!pass.Parameters.IsEmpty) throw FedCoreException.Configuration("privacy.composition", $"{GetType().Name} has no gradients of single examples, which are needed to hide one. Use other layers, or let it override {nameof(BackwardNorms)}.");
        Backward(pass, input, output, outputGradient, inputGradient);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the layer's scratch memory.</summary>
    /// <param name="disposing">True when called from <see cref="Dispose()"/>.</param>
    protected virtual void Dispose(bool disposing)
    {
    }
}

/// <summary>What a layer is given for a batch.</summary>
/// <param name="batch">Number of examples, at least 1.</param>
/// <param name="training">Whether this is training, where dropout drops.</param>
/// <param name="parameters">The layer's tensors, one behind the other.</param>
/// <param name="gradients">The place of their gradients.</param>
/// <param name="isStep">Whether all gradients are multiplied by minus the learning rate, from the loss on, and the parameters are to be moved by them.</param>
/// <param name="random">Random numbers, for training.</param>
/// <param name="buffers">The layer's tensors that are not trained, one behind the other.</param>
public readonly ref struct LayerPass(
    int batch, bool training, Span<float> parameters, Span<float> gradients, bool isStep, RandomStream? random, Span<float> buffers = default)
{
    /// <summary>Number of examples, at least 1.</summary>
    public int Batch { get; } = batch;

    /// <summary>Whether this is training, where dropout drops.</summary>
    public bool IsTraining { get; } = training;

    /// <summary>The layer's tensors that are trained, one behind the other.</summary>
    public Span<float> Parameters { get; } = parameters;

    /// <summary>The layer's tensors that are not trained, one behind the other.</summary>
    public Span<float> Buffers { get; } = buffers;

    /// <summary>The place of their gradients.</summary>
    public Span<float> Gradients { get; } = gradients;

    /// <summary>Whether all gradients are multiplied by minus the learning rate, from the loss on, and the parameters are to be moved by them.</summary>
    public bool IsStep { get; } = isStep;

    /// <summary>Random numbers, for training.</summary>
    /// <exception cref="InvalidOperationException">Single examples are hidden, and each draws for itself: <see cref="RandomOf"/>.</exception>
    public RandomStream? Random => Own is null
        ? random
        : throw new InvalidOperationException($"Where single examples are hidden, what an example draws must not depend on the others of its batch. Let the layer draw from {nameof(RandomOf)}.");

    /// <summary>Random numbers for an example, for training: the batch's, or its own where single examples are hidden. A layer draws for one example after the other.</summary>
    /// <param name="example">Which one of the batch.</param>
    /// <returns>The stream.</returns>
    public RandomStream RandomOf(int example) => Own?[example] ?? Random ?? throw new InvalidOperationException("There are no random numbers in this pass.");

    /// <summary>
    /// Whether each example's gradient is formed by itself, as in a batch of one, before it is added to those of the others: then an example changes their sum by its own gradient, and beyond that only
    /// by the rounding of one addition for each. A layer that sees an example in one row does so in any case: each of the sum's terms is an example's.
    /// </summary>
    public bool KeepsExamplesApart { get; init; }

    /// <summary>All tensors of the network, for a layer that is made of others.</summary>
    internal AllTensors All { get; init; }

    /// <summary>The examples' own random numbers; null where they share those of the batch.</summary>
    internal RandomStream[]? Own { get; init; }

    /// <summary>The random numbers, for a layer that is made of others.</summary>
    internal PassRandom Drawing => new(random, Own);
}
