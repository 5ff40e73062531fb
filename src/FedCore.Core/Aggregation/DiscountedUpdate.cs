using System.Numerics.Tensors;
using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Aggregation;

/// <summary>An update whose vectors count less, because it is stale. Its weight stays what it is: the sum is divided by the weight of fresh updates.</summary>
internal sealed class DiscountedUpdate(IUpdateSource source, float factor) : IUpdateSource
{
    public async ValueTask<IUpdateReader> OpenAsync(CancellationToken ct) => new Reader(await source.OpenAsync(ct).ConfigureAwait(false), factor);

    private sealed class Reader(IUpdateReader inner, float factor) : IUpdateReader
    {
        private float[] _block = new float[VectorBlocks.BlockLength];

        public int Contributors => inner.Contributors;

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
