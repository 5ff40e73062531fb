using FedCore.Models;
using FedCore.Numerics;

namespace FedCore.Strategies;

/// <summary>What a run keeps from round to round: the global model, and vectors that a strategy keeps beside it. All of it goes into a checkpoint.</summary>
/// <param name="model">The global model.</param>
public sealed class ServerState(ModelState model) : IDisposable
{
    private readonly SortedDictionary<string, FlatVector> _vectors = new(StringComparer.Ordinal);

    /// <summary>The global model.</summary>
    public ModelState Model { get; } = model;

    /// <summary>The strategy's vectors, each of the length of <see cref="ModelState.Trainable"/>; they lie where the model does.</summary>
    public IReadOnlyDictionary<string, FlatVector> Vectors => _vectors;

    /// <summary>A vector of the strategy, such as a momentum; all of it <paramref name="initial"/> when it is asked for the first time.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="initial">Its first values.</param>
    /// <returns>The vector, of the length of <see cref="ModelState.Trainable"/>.</returns>
    public FlatVector Vector(string name, float initial = 0)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (_vectors.TryGetValue(name, out FlatVector? vector)) return vector;
        _vectors[name] = vector = Model.Storage.Allocate(Model.Trainable.Length);
        if (initial != 0)
            foreach ((long offset, int count) in VectorBlocks.Of(vector.Length)) vector.Slice(offset, count).Fill(initial);
        return vector;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Model.Dispose();
        foreach (FlatVector vector in _vectors.Values) vector.Dispose();
    }
}
