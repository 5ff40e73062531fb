using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using FedCore.Protocol;
using Grpc.Core;

namespace Grpc;

/// <summary>
/// Takes messages from a pipe: where isSingle, one at most, and when the stream has ended. A message may keep its payload where canKeep: the bytes go back to the
/// pipe when the next message is wanted, or at the end.
/// </summary>
internal sealed class MessageReader<T>(PipeReader pipe, Marshaller<T> marshaller, int maxLength, bool isSingle, bool canKeep) : DeserializationContext, ILeasedPayload
    where T : class
{
    private ReadOnlySequence<byte> _payload;
    private bool _isHeld, _isKept;

    public override int PayloadLength => (int)_payload.Length;

    public override byte[] PayloadAsNewBuffer() => _payload.ToArray();

    public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => _payload;

    public bool TryKeep() => _isKept = canKeep;

    /// <summary>The next message, or null behind the last.</summary>
    /// <exception cref="RpcException">What came is no message, or one that is too long.</exception>
    public async ValueTask<T?> ReadAsync(CancellationToken ct)
    {
        Release();
        while (true)
        {
            ReadResult read = await pipe.ReadSoundAsync(ct).ConfigureAwait(false);
            (_payload, _isHeld) = (read.Buffer, true);
            if (read.IsCompleted && _payload.IsEmpty) return null;
            long end = _payload.Length < Wire.PrefixLength ? long.MaxValue : Wire.PrefixLength + LengthIn(_payload);
            if (isSingle && _payload.Length > end) throw Fault(StatusCode.Internal, "There are several messages where one is due.");
            if (_payload.Length >= end && (read.IsCompleted || !isSingle))
            {
                _payload = _payload.Slice(0, end).Slice(Wire.PrefixLength);
                return Deserialize();
            }

            if (read.IsCompleted) throw Fault(StatusCode.Internal, "The stream ends within a message.");
            pipe.AdvanceTo(_payload.Start, _payload.End);
            _isHeld = false;
        }
    }

    /// <summary>Gives the bytes that are held back to the pipe.</summary>
    public void Release()
    {
        if (!_isHeld) return;
        pipe.AdvanceTo(_payload.End);
        (_payload, _isHeld, _isKept) = (default, false, false);
    }

    /// <summary>No more is read.</summary>
    public void Complete()
    {
        Release();
        pipe.Complete();
    }

    private T Deserialize()
    {
        try
        {
            T message = marshaller.ContextualDeserializer(this);
            if (!_isKept) Release();
            return message;
        }
        catch (Exception fault) when (fault is not RpcException)
        {
            throw Fault(StatusCode.Internal, "A message is not of its type.", fault);
        }
    }

    // The limit is checked before room is made for what is claimed.
    private uint LengthIn(ReadOnlySequence<byte> buffer)
    {
        Span<byte> prefix = stackalloc byte[Wire.PrefixLength];
        buffer.Slice(0, Wire.PrefixLength).CopyTo(prefix);
        uint length = BinaryPrimitives.ReadUInt32BigEndian(prefix[1..]);
        if (prefix[0] != 0) throw Fault(StatusCode.Unimplemented, "A message is compressed, which is not supported.");
        if (length > maxLength) throw Fault(StatusCode.ResourceExhausted, $"A message of {length} bytes is longer than the {maxLength} that are allowed.");
        return length;
    }

    private static RpcException Fault(StatusCode code, string message, Exception? cause = null) => new(new Status(code, message, cause));
}
