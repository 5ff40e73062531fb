using Microsoft.AspNetCore.Http;

namespace Grpc.Core;

internal delegate Task<TResponse> UnaryServerMethod<TRequest, TResponse>(TRequest request, ServerCallContext context);

internal delegate Task<TResponse> ClientStreamingServerMethod<TRequest, TResponse>(IAsyncStreamReader<TRequest> requestStream, ServerCallContext context);

internal delegate Task ServerStreamingServerMethod<TRequest, TResponse>(TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context);

internal delegate Task DuplexStreamingServerMethod<TRequest, TResponse>(
    IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context);

[AttributeUsage(AttributeTargets.Class)]
internal sealed class BindServiceMethodAttribute(Type bindType, string bindMethodName) : Attribute
{
    public Type BindType => bindType;

    public string BindMethodName => bindMethodName;
}

internal abstract class ServiceBinderBase
{
    public abstract void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler)
        where TRequest : class where TResponse : class;

    public abstract void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, ClientStreamingServerMethod<TRequest, TResponse>? handler)
        where TRequest : class where TResponse : class;

    public abstract void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse>? handler)
        where TRequest : class where TResponse : class;

    public abstract void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse>? handler)
        where TRequest : class where TResponse : class;
}

/// <summary>Generated code can make one; services are mapped by their binder instead.</summary>
internal sealed class ServerServiceDefinition
{
    public static Builder CreateBuilder() => throw new NotSupportedException("Map the service with MapGrpcService.");

    internal abstract class Builder
    {
        public abstract Builder AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, Delegate handler);

        public abstract ServerServiceDefinition Build();
    }
}

internal abstract class ServerCallContext
{
    public abstract string Method { get; }

    public abstract string Peer { get; }

    public abstract DateTime Deadline { get; }

    public abstract Metadata RequestHeaders { get; }

    public abstract CancellationToken CancellationToken { get; }

    internal virtual HttpContext HttpContext => throw new NotSupportedException("The call did not come over HTTP.");

    public Metadata ResponseTrailers { get; } = [];

    public Status Status { get; set; } = Status.DefaultSuccess;

    public abstract Task WriteResponseHeadersAsync(Metadata responseHeaders);
}
