using System.Net;
using System.Runtime.CompilerServices;
using FedCore.Protocol.Tests.Probing;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Web;

namespace FedCore.Protocol.Tests.Calls;

[CollectionDefinition(nameof(EndingTests), DisableParallelization = true)]
public class EndingCollection;

/// <summary>What calls leave behind, however they end. Alone, since exceptions that nobody observed belong to the whole process.</summary>
[Collection(nameof(EndingTests))]
public class EndingTests
{
    public static TheoryData<string, bool> Endings { get; } = Both("answered", "failed", "cancelled", "deadline", "disposed", "refused", "write", "stopped", "unread");

    [Theory]
    [MemberData(nameof(Endings))]
    public async Task Nothing_stays_on_a_token_that_outlives_its_calls_and_no_exception_goes_unobserved(string ending, bool isWeb)
    {
#if GRPC_DOTNET
        Assert.SkipWhen(ending is "refused" or "write", "The packages leave the answer's exception to the caller who has the write's.");
#endif
        List<Exception> unobserved = [];
        void Keep(object? sender, UnobservedTaskExceptionEventArgs e) => unobserved.Add(e.Exception);
        TaskScheduler.UnobservedTaskException += Keep;
        try
        {
            await using ProbeServer server = await ProbeServer.StartAsync();

            // Of an answer over HTTP/1.1 that is called off the handler reads on for a while, in the hope to save the connection.
            using var http = new SocketsHttpHandler { ResponseDrainTimeout = TimeSpan.FromMilliseconds(1) };
            var options = isWeb ? new GrpcChannelOptions { HttpHandler = new GrpcWebHandler(GrpcWebMode.GrpcWeb, http), HttpVersion = HttpVersion.Version11 } : new GrpcChannelOptions();
            string address = ending == "refused" ? "http://127.0.0.1:1" : $"{(isWeb ? server.WebAddress : server.Address)}";
            using GrpcChannel channel = GrpcChannel.ForAddress(address, options);
            using var longLived = new CancellationTokenSource();
            var calls = new List<WeakReference>();
            for (int i = 0; i < 10; i++) calls.Add(await EndAsync(ending, $"{i}", server, channel, longLived.Token));
            using var patience = new CancellationTokenSource(Within.Patience);
            while (calls.Any(call => call.IsAlive))
            {
                Assert.False(patience.IsCancellationRequested, "The token still holds the calls.");
                await Task.Yield();
                Collect();
            }

            Assert.False(longLived.IsCancellationRequested);
            Assert.Empty(server.Log.Errors);
        }
        finally
        {
            Collect();
            TaskScheduler.UnobservedTaskException -= Keep;
        }

        Assert.Empty(unobserved);
    }

    [Fact]
    public async Task Ends_that_race_are_won_by_one_and_lost_by_nobody_else()
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        using GrpcChannel channel = server.Channel();
        var client = new Probe.ProbeClient(channel);
        var random = new Random(2026);
        var ends = Enumerable.Range(0, 3000).Select(_ => (Deadline: random.Next(1, 4000), Cancel: random.Next(4000), Dispose: random.Next(4000), Kind: random.Next(3))).ToArray();
        await Parallel.ForEachAsync(ends, TestContext.Current.CancellationToken, async (end, ct) =>
        {
            using var cancel = new CancellationTokenSource(TimeSpan.FromMicroseconds(end.Cancel));
            var options = new CallOptions(null, DateTime.UtcNow.AddMicroseconds(end.Deadline), cancel.Token);
            using AsyncDuplexStreamingCall<Ask, Answer> call = client.Duplex(options);
            Task dispose = end.Kind == 0 ? Task.Delay(TimeSpan.FromMicroseconds(end.Dispose), ct).ContinueWith(_ => call.Dispose(), TaskScheduler.Default) : Task.CompletedTask;
            try
            {
                await call.RequestStream.WriteAsync(end.Kind == 1 ? Ask.For("early") : new Ask(), ct);
                while (await call.ResponseStream.MoveNext(ct)) await call.RequestStream.WriteAsync(new Ask(), ct);
            }
            catch (RpcException failure)
            {
                // Kestrel breaks streams and connections off that are reset too often.
                Assert.True(
                    failure.StatusCode is StatusCode.Cancelled or StatusCode.DeadlineExceeded or StatusCode.OK or StatusCode.ResourceExhausted or StatusCode.Unavailable,
                    $"{failure.Status}");
            }
#if GRPC_DOTNET
            catch (Exception gone) when (gone is ObjectDisposedException or IOException)
            {
                // The packages' writer tells of a call that was disposed of, and of a broken stream, as it is.
            }
#endif

            await dispose;
        });
        using GrpcChannel another = server.Channel();
        Assert.Equal(new Answer(), await new Probe.ProbeClient(another).UnaryAsync(new Ask(), Within.Options()));
#if !GRPC_DOTNET
        Assert.Empty(server.Log.Errors);
#endif
    }

    // The call is out of reach when this returns. What holds it holds its metadata.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task<WeakReference> EndAsync(string ending, string name, ProbeServer server, GrpcChannel channel, CancellationToken longLived)
    {
        var client = new Probe.ProbeClient(channel);
        Metadata headers = new() { { "x-name", name } };
        CallOptions options = Within.Options(headers, longLived);
        switch (ending)
        {
            case "answered":
                AsyncUnaryCall<Answer> answered = client.UnaryAsync(new Ask(), options);
                await answered;
                return new WeakReference(headers);
            case "failed":
                AsyncUnaryCall<Answer> failed = client.UnaryAsync(Ask.For("fail"), options);
                await Assert.ThrowsAsync<RpcException>(async () => await failed);
                return new WeakReference(headers);
            case "cancelled":
                using (var cancel = CancellationTokenSource.CreateLinkedTokenSource(longLived))
                {
                    AsyncServerStreamingCall<Answer> cancelled = client.ServerStream(Ask.For("wait", name, 1), Within.Options(headers, cancel.Token));
                    await cancelled.ResponseStream.MoveNext();
                    await cancel.CancelAsync();
                    await server.Service.SignalAsync(name + " cancelled");
                    return new WeakReference(headers);
                }

            case "deadline":
                AsyncUnaryCall<Answer> late = client.UnaryAsync(Ask.For("wait", name), new CallOptions(headers, DateTime.UtcNow.AddMilliseconds(100), longLived));
                await Assert.ThrowsAsync<RpcException>(async () => await late);
                return new WeakReference(headers);
            case "disposed":
                AsyncUnaryCall<Answer> disposed = client.UnaryAsync(Ask.For("wait", name), options);
                await server.Service.SignalAsync(name + " begun");
                disposed.Dispose();
                await server.Service.SignalAsync(name + " cancelled");
                return new WeakReference(headers);
            case "refused":
                AsyncClientStreamingCall<Ask, Answer> refused = client.ClientStream(options);
                await Assert.ThrowsAsync<RpcException>(() => refused.RequestStream.WriteAsync(new Ask()));
                return new WeakReference(headers);
            case "write":
                AsyncClientStreamingCall<Ask, Answer> write = client.ClientStream(options);
                await Assert.ThrowsAsync<RpcException>(async () =>
                {
                    await write.RequestStream.WriteAsync(Ask.For("fail"));
                    while (true) await write.RequestStream.WriteAsync(new Ask());
                });
                return new WeakReference(headers);
            case "stopped":
                using (var cancel = CancellationTokenSource.CreateLinkedTokenSource(longLived))
                {
                    AsyncClientStreamingCall<Ask, Answer> stopped = client.ClientStream(Within.Options(headers, cancel.Token));
                    await stopped.RequestStream.WriteAsync(Ask.For("wait", name), longLived);
                    Task writing = WriteOnAsync(stopped.RequestStream);
                    await server.Service.SignalAsync(name + " begun");
                    await cancel.CancelAsync();
                    await Assert.ThrowsAsync<RpcException>(() => writing);
                    return new WeakReference(headers);
                }

            default:
                AsyncServerStreamingCall<Answer> unread = client.ServerStream(Ask.For("fail", count: 1), options);
                await unread.ResponseHeadersAsync;
                unread.Dispose();
                return new WeakReference(headers);
        }
    }

    // Until the server, which does not read, has enough.
    private static async Task WriteOnAsync(IClientStreamWriter<Ask> stream)
    {
        var ask = new Ask { Payload = ByteString.CopyFrom(new byte[1 << 20]) };
        while (true) await stream.WriteAsync(ask);
    }

    // A writer over HTTP/1.1 whose call has failed learns of it when the server has waited for the rest, in some seconds.
    private static TheoryData<string, bool> Both(params string[] endings)
    {
        var data = new TheoryData<string, bool>();
        foreach (string ending in endings)
        {
            data.Add(ending, false);
            if (ending != "write") data.Add(ending, true);
        }

        return data;
    }

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }
}
