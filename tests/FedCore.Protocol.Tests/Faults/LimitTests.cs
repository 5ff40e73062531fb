using FedCore.Protocol.Tests.Probing;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;

namespace FedCore.Protocol.Tests.Faults;

/// <summary>Messages at and above the limits.</summary>
public class LimitTests
{
    private const int Limit = 10_000;

    [Theory]
    [InlineData(Limit, nameof(StatusCode.OK))]
    [InlineData(Limit + 1, nameof(StatusCode.ResourceExhausted))]
    [InlineData(8 << 20, nameof(StatusCode.ResourceExhausted))]
    public async Task A_server_takes_no_longer_message_than_it_allows(int length, string expected)
    {
        await using ProbeServer server = await ProbeServer.StartAsync(options => options.MaxReceiveMessageSize = Limit);
        using GrpcChannel channel = server.Channel();
        Assert.Equal(expected, $"{await StatusOfAsync(channel, Of(length))}");
        Assert.Equal(StatusCode.OK, await StatusOfAsync(channel, new Ask()));
        Assert.Empty(server.Log.Errors);
    }

    [Theory]
    [InlineData(Limit, nameof(StatusCode.OK))]
    [InlineData(Limit + 1, nameof(StatusCode.ResourceExhausted))]
    public async Task A_client_takes_no_longer_message_than_it_allows(int length, string expected)
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        using GrpcChannel channel = server.Channel(new GrpcChannelOptions { MaxReceiveMessageSize = Limit });
        Assert.Equal(expected, $"{await StatusOfAsync(channel, new Ask { Size = length - 3 })}");
        Assert.Equal(StatusCode.OK, await StatusOfAsync(channel, new Ask()));
    }

    [Theory]
    [InlineData(Limit, nameof(StatusCode.OK))]
    [InlineData(Limit + 1, nameof(StatusCode.ResourceExhausted))]
    public async Task A_client_sends_no_longer_message_than_it_allows(int length, string expected)
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        using GrpcChannel channel = server.Channel(new GrpcChannelOptions { MaxSendMessageSize = Limit });
        Assert.Equal(expected, $"{await StatusOfAsync(channel, Of(length))}");
        Assert.Equal(StatusCode.OK, await StatusOfAsync(channel, new Ask()));
    }

    [Theory]
    [InlineData(Limit, nameof(StatusCode.OK))]
    [InlineData(Limit + 1, nameof(StatusCode.ResourceExhausted))]
    public async Task A_server_sends_no_longer_message_than_it_allows(int length, string expected)
    {
        await using ProbeServer server = await ProbeServer.StartAsync(options => options.MaxSendMessageSize = Limit);
        using GrpcChannel channel = server.Channel();
        Assert.Equal(expected, $"{await StatusOfAsync(channel, new Ask { Size = length - 3 })}");
        Assert.Equal(StatusCode.OK, await StatusOfAsync(channel, new Ask()));
    }

    [Fact]
    public async Task Four_mebibytes_are_the_limit_where_none_is_set()
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        using GrpcChannel channel = server.Channel();
        Assert.Equal(StatusCode.OK, await StatusOfAsync(channel, Of(4 << 20)));
        Assert.Equal(StatusCode.ResourceExhausted, await StatusOfAsync(channel, Of((4 << 20) + 1)));
        Assert.Equal(StatusCode.ResourceExhausted, await StatusOfAsync(channel, new Ask { Size = 4 << 20 }));
    }

    [Fact]
    public async Task No_limit_is_none()
    {
        await using ProbeServer server = await ProbeServer.StartAsync(options => options.MaxReceiveMessageSize = null);
        using GrpcChannel channel = server.Channel(new GrpcChannelOptions { MaxReceiveMessageSize = null });
        Assert.Equal(StatusCode.OK, await StatusOfAsync(channel, Of(16 << 20)));
    }

    [Fact]
    public async Task A_message_of_a_stream_that_is_too_long_ends_it()
    {
        await using ProbeServer server = await ProbeServer.StartAsync(options => options.MaxReceiveMessageSize = Limit);
        using GrpcChannel channel = server.Channel();
        using AsyncDuplexStreamingCall<Ask, Answer> call = new Probe.ProbeClient(channel).Duplex(Within.Options());
        await call.RequestStream.WriteAsync(Of(Limit));
        Assert.True(await call.ResponseStream.MoveNext());
        await call.RequestStream.WriteAsync(Of(Limit + 1));
        Assert.Equal(StatusCode.ResourceExhausted, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext())).StatusCode);
    }

    // A message of this many bytes.
    private static Ask Of(int length)
    {
        var ask = new Ask { Payload = ByteString.CopyFrom(new byte[length]) };
        ask.Payload = ByteString.CopyFrom(new byte[length - (ask.CalculateSize() - length)]);
        Assert.Equal(length, ask.CalculateSize());
        return ask;
    }

    private static async Task<StatusCode> StatusOfAsync(GrpcChannel channel, Ask ask)
    {
        try
        {
            await new Probe.ProbeClient(channel).UnaryAsync(ask, Within.Options());
            return StatusCode.OK;
        }
        catch (RpcException failure)
        {
            return failure.StatusCode;
        }
    }
}
