using System.Buffers;
using System.Runtime.InteropServices;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Updates;

namespace FedCore.Benchmarks.Service;

/// <summary>An update's bytes, as a client writes them down; those of a site and a round differ in their last number.</summary>
internal sealed class UpdateTemplate
{
    private readonly ReadOnlyMemory<byte> _bytes;

    public UpdateTemplate(RunPlan plan)
    {
        using var values = new FlatVector(plan.TrainLayout.VectorLength);
        RandomStream random = new RandomKeys([], 1).Stream("update");
        foreach (ref float value in values.AsSpan()) value = (float)(1e-3 * random.NextDouble());
        var update = new Update(plan.TrainLayout, values) { Weight = 1 };
        update.Complete();
        using var encoder = plan.WireCodec.CreateEncoder();
        var bytes = new ArrayBufferWriter<byte>((int)plan.WireCodec.MaxByteLength);
        using var state = new InMemoryClientState();
        encoder.Encode(update, state, 1, random, bytes);
        _bytes = bytes.WrittenMemory;
    }

    public int Length => _bytes.Length;

    public void CopyTo(Span<byte> target, int site, int round)
    {
        _bytes.Span.CopyTo(target);
        float last = 1e-9f * site + 1e-6f * round;
        MemoryMarshal.Write(target[(_bytes.Length - sizeof(float))..], last);
    }
}
