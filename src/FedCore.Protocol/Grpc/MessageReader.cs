using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using FedCore.Protocol;
using Grpc.Core;

namespace Grpc;

/// <summary>
/// Takes messages from a pipe. A message is read where it lies: its bytes go back to the pipe when the next one is wanted, or at the end.
/// </summary>
internal sealed class MessageReader<T>(PipeReader pipe, Marshaller<T> marshaller, int maxLength) : DeserializationContext, ILeasedPayload
    where T : class
{
    private ReadOnlySequence<byte> _payload;
    private bool _isLeased;

    public override int PayloadLength => (int)_payload.Length;

    public override byte[] PayloadAsNewBuffer() => _payload.ToArray();

    public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => _payload;

    /// <summary>The next message, or null behind the last.</summary>
    /// <exception cref="RpcException">What came is no message, or one that is too long.</exception>
    public async ValueTask<T?> ReadAsync(CancellationToken ct)
    {
        Release();
        while (true)
        {
            ReadResult read = await pipe.ReadAsync(ct).ConfigureAwait(false);
            ReadOnlySequence<byte> buffer = read.Buffer;
            if (buffer.Length >= Wire.PrefixLength && LengthIn(buffer) is var length && buffer.Length - Wire.PrefixLength >= length)
            {
                (_payload, _isLeased) = (buffer.Slice(Wire.PrefixLength, length), true);
                return Deserialize();
            }

            if (read.IsCompleted)
            {
                bool isEmpty = buffer.IsEmpty;
                pipe.AdvanceTo(buffer.End);
                return isEmpty ? null : throw Fault(StatusCode.Internal, "The stream ends within a message.");
            }

            pipe.AdvanceTo(buffer.Start, buffer.End);
        }
    }

    /// <summary>Gives the last message's bytes back to the pipe.</summary>
    public void Release()
    {
        if (!_isLeased) return;
        _isLeased = false;
        pipe.AdvanceTo(_payload.End);
        _payload = default;
    }

    private T Deserialize()
    {
        try
        {
            return marshaller.ContextualDeserializer(this);
        }
        catch (Exception fault) when (fault is not RpcException)
        {
            throw Fault(StatusCode.Internal, "A message is not of its type.", fault);
        }
    }

    // The limit is checked before room is made for what is claimed.
    private int LengthIn(ReadOnlySequence<byte> buffer)
    {
        Span<byte> prefix = stackalloc byte[Wire.PrefixLength];
        buffer.Slice(0, Wire.PrefixLength).CopyTo(prefix);
        uint length = BinaryPrimitives.ReadUInt32BigEndian(prefix[1..]);
        if (prefix[0] != 0) throw Fault(StatusCode.Unimplemented, "A message is compressed, which is not supported.");
        if (length > maxLength) throw Fault(StatusCode.ResourceExhausted, $"A message of {length} bytes is longer than the {maxLength} that are allowed.");
        return (int)length;
    }

    private static RpcException Fault(StatusCode code, string message, Exception? cause = null) => new(new Status(code, message, cause));
}
