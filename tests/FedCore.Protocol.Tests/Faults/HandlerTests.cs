using FedCore.Protocol.Tests.Probing;
using Grpc.Core;
using Grpc.Net.Client;

namespace FedCore.Protocol.Tests.Faults;

/// <summary>What becomes of faults in a service.</summary>
public class HandlerTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_exception_is_unknown_to_the_caller_and_told_to_the_log(bool isStream)
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        using GrpcChannel channel = server.Channel();
        var client = new Probe.ProbeClient(channel);
        RpcException failure = await Assert.ThrowsAsync<RpcException>(async () =>
        {
            if (!isStream) await client.UnaryAsync(Ask.For("throw"), Within.Options());
            using AsyncServerStreamingCall<Answer> call = client.ServerStream(Ask.For("throw", count: 2), Within.Options());
            while (await call.ResponseStream.MoveNext()) ;
        });
        Assert.Equal(StatusCode.Unknown, failure.StatusCode);
        Assert.DoesNotContain("swordfish", failure.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(failure.Trailers, entry => entry.Value.Contains("swordfish", StringComparison.Ordinal));
        Assert.Contains(ProbeService.Secret, Assert.Single(server.Log.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cancelled_calls_are_no_errors_in_the_log()
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        using GrpcChannel channel = server.Channel();
        var client = new Probe.ProbeClient(channel);
        for (int i = 0; i < 50; i++)
        {
            using AsyncClientStreamingCall<Ask, Answer> upload = client.ClientStream(Within.Options());
            await upload.RequestStream.WriteAsync(Ask.For("", new string('x', 1000)));
            using AsyncServerStreamingCall<Answer> download = client.ServerStream(Ask.For("wait", $"{i}", 1), Within.Options());
            await download.ResponseStream.MoveNext();
        }

        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => server.Service.SignalAsync($"{i} cancelled"))).WaitAsync(Within.Patience, TestContext.Current.CancellationToken);
#if !GRPC_DOTNET
        Assert.Empty(server.Log.Errors);
#endif
    }

    [Fact]
    public async Task A_writer_or_reader_that_outlives_its_call_is_refused()
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        using GrpcChannel channel = server.Channel();
        using AsyncDuplexStreamingCall<Ask, Answer> call = new Probe.ProbeClient(channel).Duplex(Within.Options());
        await call.RequestStream.CompleteAsync();
        Assert.False(await call.ResponseStream.MoveNext());
        var (reader, writer, context) = server.Service.LastDuplex!.Value;
        await Assert.ThrowsAsync<InvalidOperationException>(() => writer.WriteAsync(new Answer()));
        await Assert.ThrowsAnyAsync<Exception>(() => reader.MoveNext());
#if !GRPC_DOTNET
        Assert.False(context.CancellationToken.IsCancellationRequested);
#else
        _ = context;
#endif
    }
}
