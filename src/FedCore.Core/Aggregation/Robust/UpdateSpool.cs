using FedCore.Numerics;

namespace FedCore.Aggregation.Robust;

/// <summary>
/// Where the updates of a round lie while a rule reads them again, some elements of all of them at a time. They count as one vector: where the pool's storage
/// puts one of that size into a file, they lie there side by side, and the file goes with the round.
/// </summary>
/// <remarks>Several threads may read at once, and write different updates at once.</remarks>
internal sealed class UpdateSpool : IDisposable
{
    private readonly long _length;
    private readonly FlatVectorPool _pool;
    private readonly FlatVector?[] _rented;
    private readonly FlatVector? _file;

    /// <param name="updates">How many updates it has room for.</param>
    /// <param name="length">Elements of each.</param>
    /// <param name="pool">Where it rents.</param>
    public UpdateSpool(int updates, long length, FlatVectorPool pool)
    {
        (_length, _pool, _rented) = (length, pool, new FlatVector?[updates]);
        long all = checked(updates * length);
        if (pool.Storage.Maps(all)) _file = pool.Storage.Allocate(all);
    }

    /// <summary>Keeps a part of an update.</summary>
    /// <param name="update">Which update, from 0.</param>
    /// <param name="offset">The part's first element.</param>
    /// <param name="values">The part.</param>
    public void Write(int update, long offset, ReadOnlySpan<float> values)
    {
        if (_file is null) _rented[update] ??= _pool.Rent(_length);
        values.CopyTo(Part(update, offset, values.Length));
    }

    /// <summary>Reads a part of an update that was written.</summary>
    /// <param name="update">Which update, from 0.</param>
    /// <param name="offset">The part's first element.</param>
    /// <param name="values">Receives the part.</param>
    public void Read(int update, long offset, Span<float> values) => Part(update, offset, values.Length).CopyTo(values);

    public void Dispose()
    {
        _file?.Dispose();
        foreach (ref FlatVector? vector in _rented.AsSpan())
        {
            if (vector is not null) _pool.Return(vector);
            vector = null;
        }
    }

    private Span<float> Part(int update, long offset, int count) =>
        _file is null ? _rented[update]!.Slice(offset, count) : _file.Slice(update * _length + offset, count);
}
