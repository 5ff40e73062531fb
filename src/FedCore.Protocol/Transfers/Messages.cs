using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Protocol.Transfers;

/// <summary>Marshallers of generated messages, for services that are bound by hand.</summary>
internal static class Messages
{
    public static Marshaller<T> Of<T>()
        where T : class, IMessage<T>, IBufferMessage, new()
    {
        var parser = new MessageParser<T>(() => new T());
        return Marshallers.Create(
            (message, context) =>
            {
                context.SetPayloadLength(message.CalculateSize());
                message.WriteTo(context.GetBufferWriter());
                context.Complete();
            },
            context => parser.ParseFrom(context.PayloadAsReadOnlySequence()));
    }
}
