using System.Buffers;
using System.IO.Pipelines;
using FedCore.Protocol;
using Grpc.Core;

namespace Grpc;

/// <summary>Writes messages with their prefixes into a buffer.</summary>
internal abstract class MessageWriter(IBufferWriter<byte> buffer, int maxLength) : SerializationContext, IPayloadSink
{
    private int _length;

    public override void SetPayloadLength(int payloadLength)
    {
        if (payloadLength > maxLength)
            throw new RpcException(new Status(StatusCode.ResourceExhausted, $"A message of {payloadLength} bytes is longer than the {maxLength} that are allowed."));
        _length = payloadLength;
    }

    public override IBufferWriter<byte> GetBufferWriter()
    {
        if (_length < 0) throw new InvalidOperationException("The payload's length must be set before it is written.");
        Wire.WritePrefix(buffer.GetSpan(Wire.PrefixLength), _length);
        buffer.Advance(Wire.PrefixLength);
        return buffer;
    }

    public override void Complete()
    {
    }

    public override void Complete(byte[] payload)
    {
        SetPayloadLength(payload.Length);
        GetBufferWriter().Write(payload);
    }

    public abstract void Append(ReadOnlySequence<byte> data);

    protected void Serialize<T>(Marshaller<T> marshaller, T message)
    {
        _length = -1;
        marshaller.ContextualSerializer(message, this);
    }
}

/// <summary>Writes messages straight into a response's pipe.</summary>
internal sealed class PipeMessageWriter(PipeWriter pipe, int maxLength) : MessageWriter(pipe, maxLength)
{
    public void Write<T>(Marshaller<T> marshaller, T message) => Serialize(marshaller, message);

    public override void Append(ReadOnlySequence<byte> data)
    {
        foreach (ReadOnlyMemory<byte> part in data) pipe.Write(part.Span);
    }
}

/// <summary>Writes messages to a request's stream: what is serialized from a buffer that is used again, appended bytes from where they lie.</summary>
internal sealed class StreamMessageWriter(ArrayBufferWriter<byte> buffer, int maxLength) : MessageWriter(buffer, maxLength)
{
    private ReadOnlySequence<byte> _appended;

    public async ValueTask WriteAsync<T>(Stream stream, Marshaller<T> marshaller, T message, CancellationToken ct)
    {
        buffer.ResetWrittenCount();
        _appended = default;
        Serialize(marshaller, message);
        await stream.WriteAsync(buffer.WrittenMemory, ct).ConfigureAwait(false);
        foreach (ReadOnlyMemory<byte> part in _appended) await stream.WriteAsync(part, ct).ConfigureAwait(false);
    }

    public override void Append(ReadOnlySequence<byte> data) => _appended = data;
}
