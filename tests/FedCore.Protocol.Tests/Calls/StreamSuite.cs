using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Protocol.Tests.Calls;

/// <summary>What our client and any server do together in all kinds of calls.</summary>
public abstract class StreamSuite(ProbeHost host) : UpStreamSuite(host)
{
    [Fact]
    public async Task Empty_messages_in_a_stream_are_messages()
    {
        using AsyncDuplexStreamingCall<Ask, Answer> call = Client.Duplex(Within.Options());
        for (int i = 0; i < 3; i++)
        {
            await call.RequestStream.WriteAsync(new Ask());
            Assert.True(await call.ResponseStream.MoveNext());
            Assert.Equal(new Answer(), call.ResponseStream.Current);
        }

        await call.RequestStream.CompleteAsync();
        Assert.False(await call.ResponseStream.MoveNext());
    }

    [Fact]
    public async Task A_writer_learns_why_the_server_ended_the_stream()
    {
#if GRPC_DOTNET
        Assert.SkipUnless(Host is OwnHost, "The packages' writer may tell of the broken stream instead, or wait on.");
#endif
        using AsyncClientStreamingCall<Ask, Answer> call = Client.ClientStream(Within.Options());
        RpcException failure = await Assert.ThrowsAsync<RpcException>(async () =>
        {
            await call.RequestStream.WriteAsync(Failing());
            while (true) await call.RequestStream.WriteAsync(new Ask { Payload = ByteString.CopyFrom(Bytes(ChunkBytes)) });
        });
        AssertFailure(failure);
        AssertFailure(await Assert.ThrowsAsync<RpcException>(async () => await call));
    }

    [Fact]
    public async Task A_server_may_answer_before_the_last_question()
    {
#if GRPC_DOTNET
        Assert.SkipUnless(Host is OwnHost, "The packages' writer may tell of the broken stream instead, or wait on.");
#endif
        using AsyncClientStreamingCall<Ask, Answer> call = Client.ClientStream(Within.Options());
        await call.RequestStream.WriteAsync(Ask.For("", "one"));

        // The writer learns of it, in this write already or in a later one; what the answer is says the call.
        await Assert.ThrowsAsync<RpcException>(async () =>
        {
            await call.RequestStream.WriteAsync(Ask.For("early"));
            while (true) await call.RequestStream.WriteAsync(new Ask());
        });
        Assert.Equal(new Answer { Messages = 1, Bytes = 3 }, await call);
    }

    [Fact]
    public async Task Header_fields_come_before_there_is_an_answer()
    {
        using AsyncClientStreamingCall<Ask, Answer> call = Client.ClientStream(Within.Options(new Metadata { { "x-early", "yes" } }));
        await call.RequestStream.WriteAsync(Ask.For("metadata"));
        Assert.Equal("yes", (await call.ResponseHeadersAsync).GetValue("x-early"));
        await call.RequestStream.CompleteAsync();
        Assert.Equal(1, (await call).Messages);
    }

    [Fact]
    public async Task A_conversation_goes_back_and_forth()
    {
        using AsyncDuplexStreamingCall<Ask, Answer> call = Client.Duplex(Within.Options());
        for (int i = 0; i < 50; i++)
        {
            await call.RequestStream.WriteAsync(Ask.For("", $"{i}"));
            Assert.True(await call.ResponseStream.MoveNext());
            Assert.Equal($"{i}", call.ResponseStream.Current.Payload.ToStringUtf8());
        }

        await call.RequestStream.CompleteAsync();
        Assert.False(await call.ResponseStream.MoveNext());
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    [Fact]
    public async Task A_conversation_may_fail()
    {
        using AsyncDuplexStreamingCall<Ask, Answer> call = Client.Duplex(Within.Options());
        await call.RequestStream.WriteAsync(Ask.For("", "well"));
        Assert.True(await call.ResponseStream.MoveNext());
        await call.RequestStream.WriteAsync(Failing());
        AssertFailure(await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext()));
        AssertFailure(await Assert.ThrowsAsync<RpcException>(() => call.RequestStream.WriteAsync(new Ask())));
    }

    [Fact]
    public async Task A_server_may_end_a_conversation_early()
    {
        using AsyncDuplexStreamingCall<Ask, Answer> call = Client.Duplex(Within.Options());
        await call.RequestStream.WriteAsync(Ask.For("early"));
        Assert.False(await call.ResponseStream.MoveNext());
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    [Fact]
    public async Task A_conversation_that_is_cancelled_ends_at_both_ends()
    {
        string name = ProbeHost.NewName();
        using var cancel = new CancellationTokenSource();
        using AsyncDuplexStreamingCall<Ask, Answer> call = Client.Duplex(Within.Options(ct: cancel.Token));
        await call.RequestStream.WriteAsync(Ask.For("wait", name));
        await Host.SignalAsync(name + " begun");
        Task<bool> next = call.ResponseStream.MoveNext();
        await cancel.CancelAsync();
        Assert.Equal(StatusCode.Cancelled, (await Assert.ThrowsAsync<RpcException>(() => next)).StatusCode);
        Assert.Equal(
            StatusCode.Cancelled, (await Assert.ThrowsAsync<RpcException>(() => call.RequestStream.WriteAsync(new Ask()))).StatusCode);
        await Host.SignalAsync(name + " cancelled");
    }

    [Fact]
    public async Task Fifty_mebibytes_go_up_while_they_come_down()
    {
        var ask = new Ask { Payload = ByteString.CopyFrom(Bytes(ChunkBytes)) };
        using AsyncDuplexStreamingCall<Ask, Answer> call = Client.Duplex(Within.Options());
        Task writing = Task.Run(
            async () =>
            {
                for (int i = 0; i < Chunks; i++) await call.RequestStream.WriteAsync(ask);
                await call.RequestStream.CompleteAsync();
            });
        int count = 0;
        for (; await call.ResponseStream.MoveNext(); count++) Assert.Equal(ask.Payload, call.ResponseStream.Current.Payload);
        await writing;
        Assert.Equal(Chunks, count);
    }
}
