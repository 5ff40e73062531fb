using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Updates;

namespace FedCore.Benchmarks.Service;

/// <summary>
/// An update's bytes, as a client writes them down; those of a site and a round differ in their last number. As with a client, whose outbox has the update
/// and its digest when it comes to be sent, nearly all of both is there before the round.
/// </summary>
internal sealed class UpdateTemplate
{
    private readonly ReadOnlyMemory<byte> _body;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

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
        _body = bytes.WrittenMemory[..^sizeof(float)];
        _hash.AppendData(_body.Span);
    }

    /// <summary>The update of a site in a round, and its SHA-256.</summary>
    public (ReadOnlySequence<byte> Bytes, byte[] Digest) Of(int site, int round)
    {
        byte[] last = new byte[sizeof(float)];
        MemoryMarshal.Write(last, 1e-9f * site + 1e-6f * round);
        IncrementalHash hash;
        lock (_hash) hash = _hash.Clone();
        using (hash)
        {
            hash.AppendData(last);
            var first = new Part(_body, 0);
            Part second = first.Append(last);
            return (new ReadOnlySequence<byte>(first, 0, second, last.Length), hash.GetHashAndReset());
        }
    }

    private sealed class Part : ReadOnlySequenceSegment<byte>
    {
        public Part(ReadOnlyMemory<byte> memory, long index) => (Memory, RunningIndex) = (memory, index);

        public Part Append(ReadOnlyMemory<byte> memory)
        {
            var next = new Part(memory, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
