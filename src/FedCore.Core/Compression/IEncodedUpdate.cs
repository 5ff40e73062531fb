namespace FedCore.Compression;

/// <summary>An update's bytes, wherever they lie: in memory, or in a file of which a part at a time is. For one reader.</summary>
public interface IEncodedUpdate : IDisposable
{
    /// <summary>How many bytes there are.</summary>
    long Length { get; }

    /// <summary>Some of the bytes. They are read mostly in order.</summary>
    /// <param name="offset">The first of them, 0 or more.</param>
    /// <param name="count">How many, at most as many as follow and at most <see cref="LongestRead"/>.</param>
    /// <returns>A view that is valid until the next call.</returns>
    ReadOnlySpan<byte> Read(long offset, int count);

    /// <summary>How many bytes are asked for at once at most: a block of numbers in the longest format.</summary>
    const int LongestRead = Numerics.VectorBlocks.BlockLength * sizeof(double);
}

/// <summary>An update's bytes in memory.</summary>
/// <param name="bytes">The bytes, which must stay what they are.</param>
public sealed class EncodedInMemory(ReadOnlyMemory<byte> bytes) : IEncodedUpdate
{
    /// <inheritdoc/>
    public long Length => bytes.Length;

    /// <inheritdoc/>
    public ReadOnlySpan<byte> Read(long offset, int count) => bytes.Span.Slice((int)offset, count);

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
