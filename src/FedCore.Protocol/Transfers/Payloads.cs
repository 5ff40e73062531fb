using System.Buffers;

namespace FedCore.Protocol;

/// <summary>A serialization context that takes the last bytes of a message as they lie in memory, without a buffer between them and the connection.</summary>
internal interface IPayloadSink
{
    /// <summary>Adds the last bytes of the message. They must stay what they are until the message is sent.</summary>
    void Append(ReadOnlySequence<byte> data);
}

/// <summary>A deserialization context whose payload stays readable until the call that received the message has ended or reads its next one.</summary>
internal interface ILeasedPayload
{
    ReadOnlySequence<byte> PayloadAsReadOnlySequence();
}
