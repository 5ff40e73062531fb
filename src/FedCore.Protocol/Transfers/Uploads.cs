using System.Globalization;
using FedCore.Protocol.V1;
using Grpc.Core;

namespace FedCore.Protocol.Transfers;

/// <summary>The service <c>fedcore.v1.Uploads</c>.</summary>
[BindServiceMethod(typeof(UploadsBase), nameof(BindService))]
internal abstract class UploadsBase
{
    private const string Service = "fedcore.v1.Uploads";

    public static readonly Method<Chunk, UploadState> SendPartMethod = new(MethodType.Unary, Service, nameof(SendPart), Chunk.Upload, Messages.Of<UploadState>());
    public static readonly Method<Chunk, UploadState> SendMethod = new(MethodType.ClientStreaming, Service, nameof(Send), Chunk.Upload, Messages.Of<UploadState>());

    public abstract Task<UploadState> SendPart(Chunk request, ServerCallContext context);

    public abstract Task<UploadState> Send(IAsyncStreamReader<Chunk> requestStream, ServerCallContext context);

    public static void BindService(ServiceBinderBase binder, UploadsBase? service)
    {
        binder.AddMethod(SendPartMethod, service is null ? null : new UnaryServerMethod<Chunk, UploadState>(service.SendPart));
        binder.AddMethod(SendMethod, service is null ? null : new ClientStreamingServerMethod<Chunk, UploadState>(service.Send));
    }
}

/// <summary>Calls of <c>fedcore.v1.Uploads</c>.</summary>
internal sealed class UploadsClient(CallInvoker invoker)
{
    public AsyncUnaryCall<UploadState> SendPartAsync(Chunk request, CallOptions options) => invoker.AsyncUnaryCall(UploadsBase.SendPartMethod, null, options, request);

    public AsyncClientStreamingCall<Chunk, UploadState> Send(CallOptions options) => invoker.AsyncClientStreamingCall(UploadsBase.SendMethod, null, options);

    /// <summary>
    /// As the other, with the length of all messages together announced: it spares the aggregator a copy of each byte that comes over HTTP/1.1, and proxies a body
    /// without a known end. The real <c>Grpc.Net.Client</c> drops the field.
    /// </summary>
    public AsyncClientStreamingCall<Chunk, UploadState> Send(CallOptions options, long length)
    {
        Metadata headers = [.. options.Headers ?? Metadata.Empty];
        headers.Add("content-length", length.ToString(CultureInfo.InvariantCulture));
        return Send(new CallOptions(headers, options.Deadline, options.CancellationToken));
    }
}
