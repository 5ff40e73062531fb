using FedCore.Models;

namespace FedCore.Training.Engine;

/// <summary>
/// Deals out places for the tensors of a network's layers, in their order. Parameters are a flat vector of those that are averaged and, behind them, those that are
/// the client's own; buffers are another one of the same kind.
/// </summary>
internal sealed class TensorPlaces
{
    private long _trainable, _local, _buffers, _localBuffers;

    /// <param name="trainable">Number of parameters that are averaged.</param>
    /// <param name="buffers">Number of buffer elements that are averaged.</param>
    public TensorPlaces(long trainable = 0, long buffers = 0) => (_local, _localBuffers) = (trainable, buffers);

    /// <summary>The end of the parameters so far.</summary>
    public long ParameterEnd => Math.Max(_trainable, _local);

    /// <summary>The end of the buffers so far.</summary>
    public long BufferEnd => Math.Max(_buffers, _localBuffers);

    /// <summary>Takes the places of a layer's tensors, which lie one behind the other.</summary>
    /// <param name="tensors">The tensors.</param>
    /// <returns>The layer's parameters and buffers: the first, and how many.</returns>
    /// <exception cref="FedCoreException">The engine cannot train one of them, or some are averaged and others are not (<c>engine.role</c>).</exception>
    public (Place Parameters, Place Buffers) Take(IReadOnlyCollection<TensorSpec> tensors)
    {
        if (tensors.FirstOrDefault(tensor => tensor.Role == TensorRole.Frozen) is { } frozen)
            throw FedCoreException.Configuration("engine.role", $"The embedded engine cannot train '{frozen.Name}', which is {frozen.Role}.");
        return (
            Take(tensors, TensorRole.Trainable, TensorRole.Local, ref _trainable, ref _local),
            Take(tensors, TensorRole.Buffer, TensorRole.LocalBuffer, ref _buffers, ref _localBuffers));
    }

    private static Place Take(IEnumerable<TensorSpec> tensors, TensorRole averaged, TensorRole own, ref long next, ref long nextOwn)
    {
        TensorSpec[] taken = [.. tensors.Where(tensor => tensor.Role == averaged || tensor.Role == own)];
        bool isOwn = taken.Length > 0 && taken[0].Role == own;
        if (taken.FirstOrDefault(tensor => tensor.Role == own != isOwn) is { } other)
            throw FedCoreException.Configuration("engine.role", $"The embedded engine cannot train '{other.Name}', which is {other.Role}, in one layer with what is {taken[0].Role}.");
        int count = checked((int)taken.Sum(tensor => tensor.Shape.ElementCount));
        ref long place = ref isOwn ? ref nextOwn : ref next;
        place += count;
        return new Place(place - count, count);
    }

    /// <summary>A part of a flat vector.</summary>
    public readonly unsafe record struct Place(long Offset, int Length)
    {
        /// <summary>The part, or nothing of no vector.</summary>
        public Span<float> Of(float* vector) => vector is null ? default : new Span<float>(vector + Offset, Length);
    }
}

/// <summary>The tensors of a network and the place of their gradients, as flat vectors; null where there are none.</summary>
internal readonly unsafe struct AllTensors(float* parameters, float* gradients, float* buffers)
{
    public float* Parameters { get; } = parameters;

    public float* Gradients { get; } = gradients;

    public float* Buffers { get; } = buffers;
}
