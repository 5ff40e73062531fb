using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FedCore.Numerics;

/// <summary>
/// A flat vector of 32-bit floats outside the managed heap: 64-byte aligned, offsets are <see cref="long"/>, and 64 readable bytes follow the last
/// element, so that a kernel may load (never store) a whole register there. A model's parameters are views of one such vector.
/// </summary>
/// <remarks>The memory is freed by <see cref="Dispose"/> or, when forgotten, by the finalizer. Not synchronised.</remarks>
[SuppressMessage("Naming", "CA1710", Justification = "It is a vector, not a collection.")]
public sealed unsafe class FlatVector : IDisposable
{
    private const int Alignment = 64;
    private const int Tail = 64;
    private float* _values;

    /// <summary>Allocates a vector of zeros.</summary>
    /// <param name="length">Number of elements, 0 or more.</param>
    public FlatVector(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        nuint bytes = checked((nuint)length * sizeof(float) + Tail);
        _values = (float*)NativeMemory.AlignedAlloc(bytes, Alignment);
        NativeMemory.Clear(_values, bytes);
        Length = length;
        GC.AddMemoryPressure((long)bytes);
    }

    /// <summary>Frees the memory when nobody disposed of the vector.</summary>
    ~FlatVector() => Free();

    /// <summary>Number of elements.</summary>
    public long Length { get; }

    /// <summary>The first element's address; valid until <see cref="Dispose"/>.</summary>
    public float* Pointer
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            if (_values is null) ThrowDisposed();
            return _values;
        }
    }

    /// <summary>A view of <paramref name="count"/> elements from <paramref name="offset"/>.</summary>
    /// <param name="offset">First element, 0 to <see cref="Length"/>.</param>
    /// <param name="count">Number of elements; the view must lie inside the vector.</param>
    /// <returns>The view.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The view does not lie inside the vector.</exception>
    public Span<float> Slice(long offset, int count)
    {
        if (offset < 0 || count < 0 || offset > Length - count) ThrowRange(offset, count);
        return new Span<float>(Pointer + offset, count);
    }

    /// <summary>The whole vector as one span; for vectors of at most 2^31 - 1 elements.</summary>
    /// <returns>The view.</returns>
    public Span<float> AsSpan() => Slice(0, checked((int)Length));

    /// <summary>Copies all elements of a vector of the same length into this one.</summary>
    /// <param name="source">The vector to read.</param>
    public void CopyFrom(FlatVector source)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentOutOfRangeException.ThrowIfNotEqual(source.Length, Length);
        CopyFrom(source, source.Length);
    }

    /// <summary>Copies the first <paramref name="count"/> elements of another vector.</summary>
    /// <param name="source">The vector to read.</param>
    /// <param name="count">Number of elements, at most either length.</param>
    public void CopyFrom(FlatVector source, long count)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Math.Min(source.Length, Length));
        Buffer.MemoryCopy(source.Pointer, Pointer, Length * sizeof(float), count * sizeof(float));
    }

    /// <summary>Sets every element to zero.</summary>
    public void Clear() => NativeMemory.Clear(Pointer, checked((nuint)Length * sizeof(float)));

    /// <summary>A copy with memory of its own.</summary>
    /// <returns>The copy.</returns>
    public FlatVector Clone()
    {
        var copy = new FlatVector(Length);
        copy.CopyFrom(this);
        return copy;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_values is null) return;
        NativeMemory.AlignedFree(_values);
        _values = null;
        GC.RemoveMemoryPressure(Length * sizeof(float) + Tail);
    }

    [DoesNotReturn]
    private void ThrowRange(long offset, int count) => throw new ArgumentOutOfRangeException(
        nameof(offset), $"A view of {count} elements from {offset} does not lie inside a vector of {Length}.");

    [DoesNotReturn]
    private static void ThrowDisposed() => throw new ObjectDisposedException(nameof(FlatVector));
}
