using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Protocol.Tests.Calls;

/// <summary>What our client and any server do together in calls without a stream, and in streams up that are answered at their end.</summary>
public abstract class UpStreamSuite(ProbeHost host) : CallSuite(host)
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100)]
    public async Task A_stream_of_questions_is_counted(int count)
    {
        using AsyncClientStreamingCall<Ask, Answer> call = Client.ClientStream(Within.Options());
        for (int i = 0; i < count; i++) await call.RequestStream.WriteAsync(Ask.For("", "ten bytes."));
        await call.RequestStream.CompleteAsync();
        Assert.Equal(new Answer { Messages = count, Bytes = 10 * count }, await call);
    }

    [Fact]
    public async Task A_deadline_ends_a_stream_of_questions_at_both_ends()
    {
        string name = ProbeHost.NewName();
        using AsyncClientStreamingCall<Ask, Answer> call = Client.ClientStream(Within.Deadline(TimeSpan.FromSeconds(1)));
        await call.RequestStream.WriteAsync(Ask.For("wait", name));
        Assert.Equal(StatusCode.DeadlineExceeded, (await Assert.ThrowsAsync<RpcException>(async () => await call)).StatusCode);
        await Host.SignalAsync(name + " cancelled");
    }

    [Fact]
    public async Task Fifty_mebibytes_go_up()
    {
        var ask = new Ask { Payload = ByteString.CopyFrom(Bytes(ChunkBytes)) };
        using AsyncClientStreamingCall<Ask, Answer> call = Client.ClientStream(Within.Options());
        for (int i = 0; i < Chunks; i++) await call.RequestStream.WriteAsync(ask);
        await call.RequestStream.CompleteAsync();
        Assert.Equal(new Answer { Messages = Chunks, Bytes = (long)Chunks * ChunkBytes }, await call);
    }
}
