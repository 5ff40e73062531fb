using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace FedCore.SecureAggregation.Messages;

/// <summary>Writes messages: numbers with the lowest byte first, texts and lists behind their length. One content has one form, since forms are hashed and signed.</summary>
internal sealed class MessageWriter
{
    private readonly ArrayBufferWriter<byte> _buffer = new();

    public MessageWriter Number(int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(_buffer.GetSpan(sizeof(int)), value);
        _buffer.Advance(sizeof(int));
        return this;
    }

    public MessageWriter Number(double value)
    {
        BinaryPrimitives.WriteDoubleLittleEndian(_buffer.GetSpan(sizeof(double)), value);
        _buffer.Advance(sizeof(double));
        return this;
    }

    /// <summary>Bytes whose number both sides know.</summary>
    public MessageWriter Bytes(ReadOnlySpan<byte> value)
    {
        _buffer.Write(value);
        return this;
    }

    public MessageWriter Text(string value)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(value);
        return Number(bytes.Length).Bytes(bytes);
    }

    public ReadOnlySpan<byte> Written => _buffer.WrittenSpan;

    public byte[] ToArray() => _buffer.WrittenSpan.ToArray();
}
