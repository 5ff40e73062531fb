namespace Grpc.Core;

internal abstract class ChannelBase(string target)
{
    public string Target => target;

    public abstract CallInvoker CreateCallInvoker();
}

internal abstract class CallInvoker
{
    public abstract TResponse BlockingUnaryCall<TRequest, TResponse>(Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
        where TRequest : class where TResponse : class;

    public abstract AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
        where TRequest : class where TResponse : class;

    public abstract AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
        where TRequest : class where TResponse : class;

    public abstract AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options)
        where TRequest : class where TResponse : class;

    public abstract AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options)
        where TRequest : class where TResponse : class;
}

internal abstract class ClientBase
{
    protected ClientBase(ClientBaseConfiguration configuration) => CallInvoker = configuration.Invoker;

    protected CallInvoker CallInvoker { get; }

    protected internal sealed class ClientBaseConfiguration(CallInvoker invoker)
    {
        internal CallInvoker Invoker => invoker;
    }
}

/// <summary>What generated clients derive from.</summary>
internal abstract class ClientBase<T> : ClientBase
    where T : ClientBase<T>
{
    protected ClientBase()
        : base(new ClientBaseConfiguration(null!))
    {
    }

    protected ClientBase(ChannelBase channel)
        : this(channel.CreateCallInvoker())
    {
    }

    protected ClientBase(CallInvoker callInvoker)
        : base(new ClientBaseConfiguration(callInvoker))
    {
    }

    protected ClientBase(ClientBaseConfiguration configuration)
        : base(configuration)
    {
    }

    protected abstract T NewInstance(ClientBaseConfiguration configuration);
}
