using System.Buffers;

namespace Grpc.Core;

internal enum MethodType
{
    Unary = 0,
    ClientStreaming = 1,
    ServerStreaming = 2,
    DuplexStreaming = 3,
}

internal sealed class Method<TRequest, TResponse>(
    MethodType type, string serviceName, string name, Marshaller<TRequest> requestMarshaller, Marshaller<TResponse> responseMarshaller)
{
    public MethodType Type => type;

    public string ServiceName => serviceName;

    public string Name => name;

    public string FullName { get; } = $"/{serviceName}/{name}";

    internal bool HasSingleRequest => type is MethodType.Unary or MethodType.ServerStreaming;

    internal bool HasSingleAnswer => type is MethodType.Unary or MethodType.ClientStreaming;

    public Marshaller<TRequest> RequestMarshaller => requestMarshaller;

    public Marshaller<TResponse> ResponseMarshaller => responseMarshaller;
}

internal sealed class Marshaller<T>(Action<T, SerializationContext> serializer, Func<DeserializationContext, T> deserializer)
{
    public Action<T, SerializationContext> ContextualSerializer => serializer;

    public Func<DeserializationContext, T> ContextualDeserializer => deserializer;
}

internal static class Marshallers
{
    public static Marshaller<T> Create<T>(Action<T, SerializationContext> serializer, Func<DeserializationContext, T> deserializer) => new(serializer, deserializer);
}

internal abstract class SerializationContext
{
    public abstract void SetPayloadLength(int payloadLength);

    public abstract IBufferWriter<byte> GetBufferWriter();

    public abstract void Complete();

    public abstract void Complete(byte[] payload);
}

internal abstract class DeserializationContext
{
    public abstract int PayloadLength { get; }

    public abstract byte[] PayloadAsNewBuffer();

    public abstract ReadOnlySequence<byte> PayloadAsReadOnlySequence();
}
