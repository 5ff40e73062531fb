using System.Collections.Concurrent;
using Grpc.Core;

namespace Grpc.Net.Client;

internal sealed class GrpcChannelOptions
{
    /// <summary>What sends the requests; null for a handler of the channel's own.</summary>
    public HttpMessageHandler? HttpHandler { get; set; }

    /// <summary>HTTP's version; null for 2.</summary>
    public Version? HttpVersion { get; set; }

    public int? MaxReceiveMessageSize { get; set; } = 4 << 20;
    public int? MaxSendMessageSize { get; set; }
}

/// <summary>Where calls go: an address, and the connections to it.</summary>
internal sealed class GrpcChannel : ChannelBase, IDisposable
{
    private readonly Uri _address;
    private readonly ConcurrentDictionary<string, Uri> _methods = new();

    private GrpcChannel(Uri address, GrpcChannelOptions options)
        : base(address.Authority)
    {
        _address = address;
        HttpVersion = options.HttpVersion ?? System.Net.HttpVersion.Version20;
        MaxReceive = options.MaxReceiveMessageSize ?? int.MaxValue;
        MaxSend = options.MaxSendMessageSize ?? int.MaxValue;
        Http = new HttpMessageInvoker(options.HttpHandler ?? new SocketsHttpHandler { EnableMultipleHttp2Connections = true }, disposeHandler: options.HttpHandler is null);
    }

    internal Version HttpVersion { get; }

    internal int MaxReceive { get; }
    internal int MaxSend { get; }

    internal HttpMessageInvoker Http { get; }

    public static GrpcChannel ForAddress(string address, GrpcChannelOptions? channelOptions = null) => ForAddress(new Uri(address), channelOptions);

    public static GrpcChannel ForAddress(Uri address, GrpcChannelOptions? channelOptions = null) => new(address, channelOptions ?? new GrpcChannelOptions());

    public override CallInvoker CreateCallInvoker() => new ChannelInvoker(this);

    internal Uri UriOf(string method) => _methods.GetOrAdd(method, static (name, address) => new Uri(address, name), _address);

    public void Dispose() => Http.Dispose();

    private sealed class ChannelInvoker(GrpcChannel channel) : CallInvoker
    {
        public override TResponse BlockingUnaryCall<TRequest, TResponse>(Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
        {
            using AsyncUnaryCall<TResponse> call = AsyncUnaryCall(method, host, options, request);
            return call.GetAwaiter().GetResult();
        }

        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
        {
            GrpcCall<TRequest, TResponse> call = Start(method, options, request);
            return new AsyncUnaryCall<TResponse>(call, call.ReadSingleAsync());
        }

        public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
        {
            GrpcCall<TRequest, TResponse> call = Start(method, options, request);
            return new AsyncServerStreamingCall<TResponse>(call, call);
        }

        public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options)
        {
            GrpcCall<TRequest, TResponse> call = Start(method, options, null);
            return new AsyncClientStreamingCall<TRequest, TResponse>(call, call.Requests!, call.ReadSingleAsync());
        }

        public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options)
        {
            GrpcCall<TRequest, TResponse> call = Start(method, options, null);
            return new AsyncDuplexStreamingCall<TRequest, TResponse>(call, call.Requests!, call);
        }

        private GrpcCall<TRequest, TResponse> Start<TRequest, TResponse>(Method<TRequest, TResponse> method, CallOptions options, TRequest? request)
            where TRequest : class where TResponse : class
        {
            var call = new GrpcCall<TRequest, TResponse>(channel, method, options);
            call.Start(request);
            return call;
        }
    }
}
