using System.Text;
using FedCore.Protocol.Tests.Probing;
using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Protocol.Tests.Calls;

/// <summary>What our client and any server do together in calls whose request is one message.</summary>
public abstract class CallSuite(ProbeHost host)
{
    internal const int ChunkBytes = 256 << 10, Chunks = 200;

    private const string Message = "no such thing: \u00c4pfel, 100 % \u6f22\nsecond line";

    private protected ProbeHost Host => host;

    private protected Probe.ProbeClient Client => host.Client;

    [Fact]
    public async Task An_answer_comes_to_a_question()
    {
        Answer answer = await Client.UnaryAsync(Ask.For("", "hello"), Within.Options());
        Assert.Equal("hello", answer.Payload.ToStringUtf8());
    }

    [Fact]
    public async Task Empty_messages_are_messages() => Assert.Equal(new Answer(), await Client.UnaryAsync(new Ask(), Within.Options()));

    [Fact]
    public async Task Large_messages_come_whole()
    {
        byte[] payload = Bytes(3 << 20);
        Answer answer = await Client.UnaryAsync(new Ask { Payload = ByteString.CopyFrom(payload) }, Within.Options());
        Assert.True(answer.Payload.Span.SequenceEqual(payload));
    }

    [Fact]
    public async Task Many_calls_share_a_connection()
    {
        Task<Answer>[] answers = [.. Enumerable.Range(0, 200).Select(i => Client.UnaryAsync(Ask.For("", $"{i}"), Within.Options()).ResponseAsync)];
        Assert.Equal(Enumerable.Range(0, 200).Select(i => $"{i}"), (await Task.WhenAll(answers)).Select(answer => answer.Payload.ToStringUtf8()));
    }

    [Fact]
    public async Task A_failure_comes_with_its_message_and_details()
    {
        using AsyncUnaryCall<Answer> call = Client.UnaryAsync(Ask.For("fail", Message), Within.Options());
        RpcException failure = await Assert.ThrowsAsync<RpcException>(async () => await call);
        AssertFailure(failure);
        Assert.Equal((StatusCode.NotFound, Message), (call.GetStatus().StatusCode, call.GetStatus().Detail));
        Assert.Equal("probe.missing", Details.In(call.GetTrailers()).Fault.Code);
    }

    [Fact]
    public async Task A_method_that_is_not_there_is_unimplemented()
    {
        RpcException failure = await Assert.ThrowsAsync<RpcException>(async () => await Client.MissingAsync(new Ask(), Within.Options()));
        Assert.Equal(StatusCode.Unimplemented, failure.StatusCode);
    }

    [Fact]
    public async Task Metadata_goes_there_and_comes_back_as_header_fields_and_trailers()
    {
        Metadata sent = new()
        {
            { "x-text", "plain, with a comma; and more" }, { "x-bytes-bin", Bytes(256) }, { "x-empty-bin", [] }, { "x-many", "one" }, { "x-many", "two" }, { "X-Case", "kept" },
        };
        using AsyncUnaryCall<Answer> call = Client.UnaryAsync(Ask.For("metadata"), Within.Options(sent));
        Metadata headers = await call.ResponseHeadersAsync;
        await call;
        foreach (Metadata came in (Metadata[])[headers, call.GetTrailers()])
        {
            Assert.Equal("plain, with a comma; and more", came.GetValue("x-text"));
            Assert.Equal(Bytes(256), came.GetValueBytes("x-bytes-bin"));
            Assert.Equal([], came.GetValueBytes("x-empty-bin")!);
            Assert.Equal("one,two", string.Join(',', came.Where(entry => entry.Key == "x-many").Select(entry => entry.Value.Replace(" ", ""))));
            Assert.Equal("kept", came.GetValue("x-case"));
        }
    }

    [Fact]
    public async Task A_deadline_ends_a_call_at_both_ends()
    {
        string name = ProbeHost.NewName();
        RpcException failure = await Assert.ThrowsAsync<RpcException>(async () => await Client.UnaryAsync(Ask.For("wait", name), Within.Deadline(TimeSpan.FromSeconds(1))));
        Assert.Equal(StatusCode.DeadlineExceeded, failure.StatusCode);
        await host.SignalAsync(name + " cancelled");
    }

    [Fact]
    public async Task A_deadline_that_has_passed_ends_a_call_before_it_begins()
    {
        RpcException failure = await Assert.ThrowsAsync<RpcException>(async () => await Client.UnaryAsync(new Ask(), Within.Deadline(TimeSpan.FromSeconds(-1))));
        Assert.Equal(StatusCode.DeadlineExceeded, failure.StatusCode);
    }

    [Fact]
    public async Task A_deadline_in_centuries_is_kept_waiting_for()
    {
        CallOptions options = new(null, DateTime.UtcNow.AddYears(300), TestContext.Current.CancellationToken);
        Assert.Equal("x", (await Client.UnaryAsync(Ask.For("", "x"), options)).Payload.ToStringUtf8());
    }

    [Fact]
    public async Task A_cancelled_call_ends_at_both_ends()
    {
        string name = ProbeHost.NewName();
        using var cancel = new CancellationTokenSource();
        using AsyncUnaryCall<Answer> call = Client.UnaryAsync(Ask.For("wait", name), Within.Options(ct: cancel.Token));
        await host.SignalAsync(name + " begun");
        await cancel.CancelAsync();
        RpcException failure = await Assert.ThrowsAsync<RpcException>(async () => await call);
        Assert.Equal(StatusCode.Cancelled, failure.StatusCode);
        await host.SignalAsync(name + " cancelled");
    }

    [Fact]
    public async Task A_call_that_is_disposed_of_ends_at_both_ends()
    {
        string name = ProbeHost.NewName();
        AsyncUnaryCall<Answer> call = Client.UnaryAsync(Ask.For("wait", name), Within.Options());
        await host.SignalAsync(name + " begun");
        call.Dispose();
        Assert.Equal(StatusCode.Cancelled, (await Assert.ThrowsAsync<RpcException>(async () => await call)).StatusCode);
        await host.SignalAsync(name + " cancelled");
    }

    [Fact]
    public async Task A_stream_of_answers_comes_in_order_and_ends()
    {
        using AsyncServerStreamingCall<Answer> call = Client.ServerStream(Ask.For("", "again", count: 100), Within.Options());
        int count = 0;
        await foreach (Answer answer in call.ResponseStream.ReadAllAsync())
        {
            Assert.Equal("again", answer.Payload.ToStringUtf8());
            count++;
        }

        Assert.Equal(100, count);
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
        Assert.False(await call.ResponseStream.MoveNext());
    }

    [Fact]
    public async Task A_stream_may_be_empty()
    {
        using AsyncServerStreamingCall<Answer> call = Client.ServerStream(new Ask(), Within.Options());
        Assert.False(await call.ResponseStream.MoveNext());
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public async Task A_stream_of_answers_may_fail(int after)
    {
        using AsyncServerStreamingCall<Answer> call = Client.ServerStream(Ask.For("fail", Message, after), Within.Options());
        for (int i = 0; i < after; i++) Assert.True(await call.ResponseStream.MoveNext());
        AssertFailure(await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext()));
        AssertFailure(await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext()));
    }

    [Fact]
    public async Task A_deadline_ends_a_stream_at_both_ends()
    {
        string name = ProbeHost.NewName();
        using AsyncServerStreamingCall<Answer> call = Client.ServerStream(Ask.For("wait", name, 1), Within.Deadline(TimeSpan.FromSeconds(1)));
        Assert.True(await call.ResponseStream.MoveNext());
        RpcException failure = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext());
        Assert.Equal(StatusCode.DeadlineExceeded, failure.StatusCode);
        await host.SignalAsync(name + " cancelled");
    }

    [Fact]
    public async Task A_reader_that_gives_up_ends_the_stream_at_both_ends()
    {
        string name = ProbeHost.NewName();
        using var cancel = new CancellationTokenSource();
        using AsyncServerStreamingCall<Answer> call = Client.ServerStream(Ask.For("wait", name, 1), Within.Options());
        Assert.True(await call.ResponseStream.MoveNext(cancel.Token));
        Task<bool> next = call.ResponseStream.MoveNext(cancel.Token);
        await host.SignalAsync(name + " begun");
        await cancel.CancelAsync();
        Assert.Equal(StatusCode.Cancelled, (await Assert.ThrowsAsync<RpcException>(() => next)).StatusCode);
        await host.SignalAsync(name + " cancelled");
    }

    [Fact]
    public async Task A_stream_that_nobody_reads_is_cancelled_by_disposing_of_it()
    {
        string name = ProbeHost.NewName();
        AsyncServerStreamingCall<Answer> call = Client.ServerStream(Ask.For("wait", name, 3), Within.Options());
        await host.SignalAsync(name + " begun");
        call.Dispose();
        await host.SignalAsync(name + " cancelled");
    }

    [Fact]
    public async Task Fifty_mebibytes_come_down()
    {
        byte[] payload = Bytes(ChunkBytes);
        using AsyncServerStreamingCall<Answer> call = Client.ServerStream(new Ask { Payload = ByteString.CopyFrom(payload), Count = Chunks }, Within.Options());
        int count = 0;
        for (; await call.ResponseStream.MoveNext(); count++) Assert.True(call.ResponseStream.Current.Payload.Span.SequenceEqual(payload));
        Assert.Equal(Chunks, count);
    }

    private protected static byte[] Bytes(int length)
    {
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }

    private protected static void AssertFailure(RpcException failure)
    {
        Assert.Equal((StatusCode.NotFound, Message), (failure.StatusCode, failure.Status.Detail));
        var (details, fault) = Details.In(failure.Trailers);
        Assert.Equal((int)StatusCode.NotFound, details.Code);
        Assert.Equal(Message, details.Message);
        Assert.Equal(("probe.missing", "payload"), (fault.Code, fault.Field));
    }

    private protected static Ask Failing() => new() { Command = "fail", Payload = ByteString.CopyFrom(Encoding.UTF8.GetBytes(Message)) };
}
