using FedCore.Numerics;

namespace FedCore.Aggregation.Spooling;

/// <summary>A spool in memory, of rented vectors.</summary>
/// <param name="updates">How many updates it has room for.</param>
/// <param name="length">Elements of each.</param>
/// <param name="pool">Where it rents.</param>
public sealed class MemorySpool(int updates, long length, FlatVectorPool pool) : IUpdateSpool
{
    private readonly FlatVector?[] _updates = new FlatVector?[updates];

    /// <inheritdoc/>
    public void Write(int update, long offset, ReadOnlySpan<float> values) =>
        values.CopyTo((_updates[update] ??= pool.Rent(length)).Slice(offset, values.Length));

    /// <inheritdoc/>
    public void Read(int update, long offset, Span<float> values) => _updates[update]!.Slice(offset, values.Length).CopyTo(values);

    /// <inheritdoc/>
    public void Dispose()
    {
        for (int i = 0; i < _updates.Length; i++)
        {
            if (_updates[i] is { } vector) pool.Return(vector);
            _updates[i] = null;
        }
    }
}
