using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FedCore.Numerics;

/// <summary>
/// A flat vector of 32-bit floats outside the managed heap: 64-byte aligned, offsets are <see cref="long"/>, and 64 readable bytes follow the last
/// element, so that a kernel may load (never store) a whole register there. A model's parameters are views of one such vector. It lies in memory or in a
/// temporary file that is mapped, as <see cref="VectorStorage"/> decides.
/// </summary>
/// <remarks>The memory is freed by <see cref="Dispose"/> or, when forgotten, by the finalizer, and with it the file. Not synchronised.</remarks>
[SuppressMessage("Naming", "CA1710", Justification = "It is a vector, not a collection.")]
public sealed unsafe class FlatVector : IDisposable
{
    private const int Alignment = 64;
    private const int Tail = 64;
    private readonly MappedFile? _file;
    private float* _values;

    /// <summary>Allocates a vector of zeros in memory.</summary>
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

    /// <summary>Allocates a vector of zeros in a temporary file.</summary>
    /// <param name="length">Number of elements, 0 or more.</param>
    /// <param name="folder">Where the file is.</param>
    internal FlatVector(long length, string folder)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        long bytes = checked(length * sizeof(float) + Tail);
        _file = new MappedFile(folder, bytes);
        _values = (float*)_file.Address;
        Length = length;
        GC.AddMemoryPressure(bytes);
    }

    /// <summary>Frees the memory when nobody disposed of the vector.</summary>
    ~FlatVector() => Free();

    /// <summary>Number of elements.</summary>
    public long Length { get; }

    /// <summary>Whether it lies in a file.</summary>
    internal bool IsMapped => _file is not null;

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

    /// <summary>A copy with memory, or a file, of its own.</summary>
    /// <returns>The copy.</returns>
    public FlatVector Clone()
    {
        FlatVector copy = _file is null ? new FlatVector(Length) : new FlatVector(Length, _file.Folder);
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
        if (_file is null) NativeMemory.AlignedFree(_values);
        else _file.Dispose();
        _values = null;
        GC.RemoveMemoryPressure(Length * sizeof(float) + Tail);
    }

    [DoesNotReturn]
    private void ThrowRange(long offset, int count) => throw new ArgumentOutOfRangeException(
        nameof(offset), $"A view of {count} elements from {offset} does not lie inside a vector of {Length}.");

    [DoesNotReturn]
    private static void ThrowDisposed() => throw new ObjectDisposedException(nameof(FlatVector));
}
