using FedCore.Protocol.V1;
using Grpc.Core;

namespace FedCore.Protocol.Transfers;

/// <summary>The service <c>fedcore.v1.Blobs</c>.</summary>
[BindServiceMethod(typeof(BlobsBase), nameof(BindService))]
internal abstract class BlobsBase
{
    private const string Service = "fedcore.v1.Blobs";

    public static readonly Method<DownloadRequest, Chunk> DownloadMethod = new(MethodType.ServerStreaming, Service, nameof(Download), Messages.Of<DownloadRequest>(), Chunk.Blob);
    public static readonly Method<Chunk, Blob> PutMethod = new(MethodType.ClientStreaming, Service, nameof(Put), Chunk.Blob, Messages.Of<Blob>());

    public abstract Task Download(DownloadRequest request, IServerStreamWriter<Chunk> responseStream, ServerCallContext context);

    public abstract Task<Blob> Put(IAsyncStreamReader<Chunk> requestStream, ServerCallContext context);

    public static void BindService(ServiceBinderBase binder, BlobsBase? service)
    {
        binder.AddMethod(DownloadMethod, service is null ? null : new ServerStreamingServerMethod<DownloadRequest, Chunk>(service.Download));
        binder.AddMethod(PutMethod, service is null ? null : new ClientStreamingServerMethod<Chunk, Blob>(service.Put));
    }
}

/// <summary>Calls of <c>fedcore.v1.Blobs</c>.</summary>
internal sealed class BlobsClient(CallInvoker invoker)
{
    public AsyncServerStreamingCall<Chunk> Download(DownloadRequest request, CallOptions options) => invoker.AsyncServerStreamingCall(BlobsBase.DownloadMethod, null, options, request);

    public AsyncClientStreamingCall<Chunk, Blob> Put(CallOptions options) => invoker.AsyncClientStreamingCall(BlobsBase.PutMethod, null, options);
}
