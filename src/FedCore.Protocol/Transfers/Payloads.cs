using System.Buffers;

namespace FedCore.Protocol;

/// <summary>A serialization context that takes the last bytes of a message as they lie in memory, without a buffer between them and the connection.</summary>
internal interface IPayloadSink
{
    /// <summary>Adds the last bytes of the message. They must stay what they are until the message is sent.</summary>
    void Append(ReadOnlySequence<byte> data);
}

/// <summary>A deserialization context whose payload a message may keep instead of copying it.</summary>
internal interface ILeasedPayload
{
    /// <summary>Whether the payload stays readable until the call reads its next message or ends. Where it does not, what is wanted of it must be copied.</summary>
    bool TryKeep();
}
