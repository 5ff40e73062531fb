using System.Buffers;

namespace FedCore.Protocol.Tests.Transfers;

/// <summary>Bytes in several segments.</summary>
internal static class Sequence
{
    public static ReadOnlySequence<byte> Of(byte[] bytes, int segment = 7)
    {
        if (bytes.Length <= segment) return new ReadOnlySequence<byte>(bytes);
        var first = new Segment(bytes.AsMemory(0, segment), null);
        Segment last = first;
        for (int at = segment; at < bytes.Length; at += segment) last = new Segment(bytes.AsMemory(at, Math.Min(segment, bytes.Length - at)), last);
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, Segment? before)
        {
            Memory = memory;
            if (before is null) return;
            RunningIndex = before.RunningIndex + before.Memory.Length;
            before.Next = this;
        }
    }
}
