using System.Runtime.CompilerServices;

namespace Grpc.Core;

internal readonly struct CallOptions(Metadata? headers = null, DateTime? deadline = null, CancellationToken cancellationToken = default)
{
    public Metadata? Headers => headers;

    public DateTime? Deadline => deadline;

    public CancellationToken CancellationToken => cancellationToken;
}

internal interface IAsyncStreamReader<out T>
{
    T Current { get; }

    Task<bool> MoveNext(CancellationToken cancellationToken);
}

internal interface IAsyncStreamWriter<in T>
{
    Task WriteAsync(T message);

    Task WriteAsync(T message, CancellationToken cancellationToken);
}

internal interface IClientStreamWriter<in T> : IAsyncStreamWriter<T>
{
    Task CompleteAsync();
}

internal interface IServerStreamWriter<in T> : IAsyncStreamWriter<T>;

internal static class AsyncStreamReaderExtensions
{
    public static Task<bool> MoveNext<T>(this IAsyncStreamReader<T> reader) => reader.MoveNext(CancellationToken.None);

    public static async IAsyncEnumerable<T> ReadAllAsync<T>(this IAsyncStreamReader<T> reader, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (await reader.MoveNext(cancellationToken).ConfigureAwait(false)) yield return reader.Current;
    }
}

/// <summary>What a call under way can be asked, whatever its kind.</summary>
internal interface ICall : IDisposable
{
    Task<Metadata> ResponseHeadersAsync { get; }

    Status GetStatus();

    Metadata GetTrailers();
}

internal abstract class AsyncCall(ICall call) : IDisposable
{
    public Task<Metadata> ResponseHeadersAsync => call.ResponseHeadersAsync;

    public Status GetStatus() => call.GetStatus();

    public Metadata GetTrailers() => call.GetTrailers();

    public void Dispose() => call.Dispose();
}

internal sealed class AsyncUnaryCall<TResponse>(ICall call, Task<TResponse> response) : AsyncCall(call)
{
    public Task<TResponse> ResponseAsync => response;

    public TaskAwaiter<TResponse> GetAwaiter() => response.GetAwaiter();

    public ConfiguredTaskAwaitable<TResponse> ConfigureAwait(bool continueOnCapturedContext) => response.ConfigureAwait(continueOnCapturedContext);
}

internal sealed class AsyncServerStreamingCall<TResponse>(ICall call, IAsyncStreamReader<TResponse> responses) : AsyncCall(call)
{
    public IAsyncStreamReader<TResponse> ResponseStream => responses;
}

internal sealed class AsyncClientStreamingCall<TRequest, TResponse>(ICall call, IClientStreamWriter<TRequest> requests, Task<TResponse> response) : AsyncCall(call)
{
    public IClientStreamWriter<TRequest> RequestStream => requests;

    public Task<TResponse> ResponseAsync => response;

    public TaskAwaiter<TResponse> GetAwaiter() => response.GetAwaiter();
}

internal sealed class AsyncDuplexStreamingCall<TRequest, TResponse>(ICall call, IClientStreamWriter<TRequest> requests, IAsyncStreamReader<TResponse> responses)
    : AsyncCall(call)
{
    public IClientStreamWriter<TRequest> RequestStream => requests;

    public IAsyncStreamReader<TResponse> ResponseStream => responses;
}
