using System.Buffers;

namespace FedCore.SecureAggregation.Ring;

/// <summary>Adds what <see cref="UpdateRing.Write"/> writes to a sum at once, so that no update is held in bytes.</summary>
/// <param name="sum">The sum.</param>
internal sealed class RingSumWriter(RingSum sum) : IBufferWriter<byte>
{
    private byte[] _buffer = [];
    private long _next;
    private bool _hasScalars = sum.Encoding.ScalarCount == 0;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        if (_buffer.Length < sizeHint) _buffer = new byte[sizeHint];
        return _buffer;
    }

    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    // The numbers beside the vector come first, all at once; then words, chunk by chunk.
    public void Advance(int count)
    {
        if (!_hasScalars)
        {
            sum.AddScalars(_buffer.AsSpan(0, count));
            _hasScalars = true;
            return;
        }

        int words = (int)Math.Min(sum.Encoding.VectorLength - _next, (long)count * 8 / sum.Encoding.Bits);
        sum.AddWords(_next, _buffer.AsSpan(0, count), words);
        _next += words;
    }
}
