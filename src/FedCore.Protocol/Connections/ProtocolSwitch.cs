using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace FedCore.Protocol.Connections;

/// <summary>
/// Serves HTTP/1.1 and HTTP/2 at one port without TLS, where Kestrel serves one of the two: with TLS they are agreed on beforehand, without it the first bytes
/// tell. Those who speak HTTP/1.1 are handed to an endpoint that serves nothing else, and that nobody reaches otherwise.
/// </summary>
internal sealed class ProtocolSwitch(TimeProvider clock) : IConnectionListenerFactory, IConnectionListenerFactorySelector
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private ConnectionDelegate? _http1;

    // How a client of HTTP/2 begins (RFC 9113, section 3.4), and none of HTTP/1.1 does.
    private static ReadOnlySpan<byte> Preface => "PRI * HTTP/2.0\r\n"u8;

    /// <summary>Whether an address that Kestrel says it serves is the endpoint's that nobody reaches.</summary>
    public static bool IsInner(string address) => address.EndsWith(Inner.Name, StringComparison.Ordinal);

    /// <summary>Adds the endpoint for HTTP/1.1; once, before any port.</summary>
    public void AddInner(KestrelServerOptions kestrel) => kestrel.Listen(new Inner(), options =>
    {
        options.Protocols = HttpProtocols.Http1;
        options.Use(next => _http1 = next);
    });

    /// <summary>Has a port serve both.</summary>
    public void Serve(ListenOptions options)
    {
        options.Protocols = HttpProtocols.Http2;
        options.Use(http2 => async connection =>
        {
            if (await IsHttp2Async(connection).ConfigureAwait(false) is { } isHttp2) await (isHttp2 ? http2 : _http1!)(connection).ConfigureAwait(false);
        });
    }

    public bool CanBind(EndPoint endpoint) => endpoint is Inner;

    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) => new(new NoConnections(endpoint));

    // Null where the connection ends, or says nothing for long.
    private async ValueTask<bool?> IsHttp2Async(ConnectionContext connection)
    {
        CancellationToken closing = connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested ?? default;
        using var silence = new CancellationTokenSource(Patience, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(silence.Token, closing);
        try
        {
            while (true)
            {
                ReadResult read = await connection.Transport.Input.ReadAsync(either.Token).ConfigureAwait(false);
                bool? isHttp2 = IsHttp2(read.Buffer);

                // What is not examined comes again with the next read, which is the server's.
                connection.Transport.Input.AdvanceTo(read.Buffer.Start, isHttp2 is null ? read.Buffer.End : read.Buffer.Start);
                if (isHttp2 is not null || read.IsCompleted) return isHttp2;
            }
        }
        catch (Exception fault) when (fault is OperationCanceledException or IOException)
        {
            connection.Abort(new ConnectionAbortedException("The connection said nothing.", fault));
            return null;
        }
    }

    private static bool? IsHttp2(ReadOnlySequence<byte> bytes)
    {
        Span<byte> first = stackalloc byte[Preface.Length];
        first = first[..(int)Math.Min(bytes.Length, first.Length)];
        bytes.Slice(0, first.Length).CopyTo(first);
        return !Preface.StartsWith(first) ? false : first.Length == Preface.Length ? true : null;
    }

    /// <summary>Where nobody connects.</summary>
    private sealed class Inner : EndPoint
    {
        public const string Name = "HTTP/1.1";

        public override string ToString() => Name;
    }

    private sealed class NoConnections(EndPoint place) : IConnectionListener
    {
        private readonly TaskCompletionSource<ConnectionContext?> _none = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public EndPoint EndPoint => place;

        public ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default) => new(_none.Task.WaitAsync(cancellationToken));

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            _none.TrySetResult(null);
            return default;
        }

        public ValueTask DisposeAsync() => UnbindAsync();
    }
}
