using System.Numerics.Tensors;
using FedCore.Numerics;

namespace FedCore.Updates;

/// <summary>An update whose vectors are multiplied by a factor while they are read; its scalars, the weight among them, stay what they are.</summary>
/// <param name="source">The update.</param>
/// <param name="factor">The factor.</param>
public sealed class ScaledUpdate(IUpdateSource source, float factor) : IUpdateSource
{
    /// <inheritdoc/>
    public async ValueTask<IUpdateReader> OpenAsync(CancellationToken ct) => new Reader(await source.OpenAsync(ct).ConfigureAwait(false), factor);

    private sealed class Reader(IUpdateReader inner, float factor) : IUpdateReader
    {
        private float[] _block = new float[VectorBlocks.BlockLength];

        public int Contributors => inner.Contributors;

        public long? ByteLength => inner.ByteLength;

        public ReadOnlySpan<double> Scalars => inner.Scalars;

        public ReadOnlySpan<float> Read(long offset)
        {
            ReadOnlySpan<float> chunk = inner.Read(offset);
            if (_block.Length < chunk.Length) _block = new float[chunk.Length];
            Span<float> block = _block.AsSpan(0, chunk.Length);
            TensorPrimitives.Multiply(chunk, factor, block);
            return block;
        }

        public void Dispose() => inner.Dispose();
    }
}
