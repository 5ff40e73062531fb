using System.Buffers.Binary;
using System.Runtime.InteropServices;
using FedCore.Compression;
using FedCore.Numerics;
using FedCore.SecureAggregation.Ring;
using FedCore.Updates;

namespace FedCore.Aggregation;

/// <summary>
/// Sums updates that came in the clear in the ring of integers: each is clipped, rounded and added without an error, so that what one of them changes of the sum is known to the last bit, and
/// noise is added to whole numbers. Floating-point sums and noise have neither (Mironov 2012; Casacuberta et al. 2022).
/// </summary>
/// <param name="ring">How updates are written.</param>
/// <param name="rounding">The stream for an update's rounding, by its place in the cohort; no proof rests on it.</param>
/// <param name="round">The round.</param>
/// <param name="addNoise">Adds the noise to the sum.</param>
internal sealed class RingFold(UpdateRing ring, Func<int, RandomStream> rounding, int round, Action<RingSum> addNoise) : IAggregator
{
    public async ValueTask<AggregationResult> AggregateAsync(UpdateLayout layout, IReadOnlyList<IUpdateSource> updates, AggregationResources resources, CancellationToken ct)
    {
        using var sums = new PartialRingSums(ring.Encoding, resources.Pool);
        var refused = new List<(int Index, UpdateRefusedException Reason)>();
        int next = -1, contributors = 0;

        async Task FoldAsync()
        {
            using var copy = new UpdateCopy(layout, resources.Pool);
            while (Interlocked.Increment(ref next) is var i && i < updates.Count)
            {
                try
                {
                    using (IUpdateReader reader = await updates[i].OpenAsync(ct).ConfigureAwait(false)) copy.Take(reader);
                    sums.Use(sum => ring.Write(copy, rounding(i), null, null, new RingSumWriter(sum)));
                    Interlocked.Increment(ref contributors);
                }
                catch (UpdateRefusedException reason)
                {
                    lock (refused) refused.Add((i, reason));
                }
            }
        }

        await resources.RunAsync(Math.Clamp(resources.Threads, 1, Math.Max(1, updates.Count)), FoldAsync).ConfigureAwait(false);
        refused.Sort((a, b) => a.Index.CompareTo(b.Index));
        (RingSum total, FlatVector memory) = sums.Total();
        try
        {
            addNoise(total);
            return new AggregationResult(ring.Read(total, round, contributors, resources.Pool), refused);
        }
        finally
        {
            resources.Pool.Return(memory);
        }
    }

    /// <summary>An update that was read, so that it can be read again: its norm is known before its first number is written.</summary>
    private sealed class UpdateCopy(UpdateLayout layout, FlatVectorPool pool) : IEncodedUpdate
    {
        private readonly byte[] _scalars = new byte[layout.ScalarCount * sizeof(double)];
        private readonly FlatVector _vector = pool.Rent(layout.VectorLength);

        public long Length => _scalars.Length + layout.VectorLength * sizeof(float);

        public void Take(IUpdateReader reader)
        {
            for (long offset = 0; offset < layout.VectorLength;)
            {
                ReadOnlySpan<float> chunk = reader.Read(offset);
                for (; !chunk.IsEmpty; chunk = chunk[Math.Min(VectorBlocks.BlockLength, chunk.Length)..])
                {
                    int count = Math.Min(VectorBlocks.BlockLength, chunk.Length);
                    chunk[..count].CopyTo(_vector.Slice(offset, count));
                    offset += count;
                }
            }

            ReadOnlySpan<double> scalars = reader.Scalars;
            for (int i = 0; i < scalars.Length; i++) BinaryPrimitives.WriteDoubleLittleEndian(_scalars.AsSpan(i * sizeof(double)), scalars[i]);
        }

        public ReadOnlySpan<byte> Read(long offset, int count) => offset < _scalars.Length
            ? _scalars.AsSpan((int)offset, count)
            : MemoryMarshal.AsBytes(_vector.Slice((offset - _scalars.Length) / sizeof(float), count / sizeof(float)));

        public void Dispose() => pool.Return(_vector);
    }
}
