using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using FedCore.Protocol.Tests.Probing;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace FedCore.Protocol.Tests.Faults;

/// <summary>What our client makes of servers that answer wrongly, or not at all.</summary>
public class BrokenServerTests
{
    private static readonly byte[] EmptyMessage = new byte[5];

    [Fact]
    public async Task A_refused_connection_is_unavailable()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        using GrpcChannel channel = GrpcChannel.ForAddress($"http://127.0.0.1:{port}");
        var client = new Probe.ProbeClient(channel);
        using AsyncDuplexStreamingCall<Ask, Answer> stream = client.Duplex(Within.Options());
        using AsyncUnaryCall<Answer> unary = client.UnaryAsync(new Ask(), Within.Options());
        Assert.Equal(StatusCode.Unavailable, await StatusOfAsync(unary.ResponseAsync));
        Assert.Equal(StatusCode.Unavailable, await StatusOfAsync(unary.ResponseHeadersAsync));
        Assert.Equal(StatusCode.Unavailable, await StatusOfAsync(stream.ResponseStream.MoveNext()));
        Assert.Equal(StatusCode.Unavailable, await StatusOfAsync(stream.RequestStream.WriteAsync(new Ask())));
        Assert.Equal(StatusCode.Unavailable, stream.GetStatus().StatusCode);
    }

    [Fact]
    public async Task A_server_that_speaks_no_http_is_no_success()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        Task serving = Task.Run(async () =>
        {
            using TcpClient connection = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
            await connection.GetStream().WriteAsync("220 mail.example.org ESMTP\r\n"u8.ToArray(), TestContext.Current.CancellationToken);
            await connection.GetStream().CopyToAsync(Stream.Null, TestContext.Current.CancellationToken);
        });
        using GrpcChannel channel = GrpcChannel.ForAddress($"http://{listener.LocalEndpoint}");
        StatusCode code = await StatusOfAsync(new Probe.ProbeClient(channel).UnaryAsync(new Ask(), Within.Options()).ResponseAsync);
        Assert.True(code is StatusCode.Unavailable or StatusCode.Internal, $"{code}");
    }

#if !GRPC_DOTNET
    // The packages take it for a fault in the protocol.
    [Fact]
    public async Task A_server_that_answers_no_pings_is_unavailable()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        byte[] settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        Task serving = Task.Run(async () =>
        {
            using TcpClient connection = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
            await connection.GetStream().WriteAsync(settings, TestContext.Current.CancellationToken);
            await connection.GetStream().CopyToAsync(Stream.Null, TestContext.Current.CancellationToken);
        });
        using var pinging = new SocketsHttpHandler { KeepAlivePingDelay = TimeSpan.FromSeconds(1), KeepAlivePingTimeout = TimeSpan.FromSeconds(1) };
        using GrpcChannel channel = GrpcChannel.ForAddress($"http://{listener.LocalEndpoint}", new GrpcChannelOptions { HttpHandler = pinging });
        Assert.Equal(StatusCode.Unavailable, await StatusOfAsync(new Probe.ProbeClient(channel).UnaryAsync(new Ask(), Within.Options()).ResponseAsync));
    }
#endif

    [Theory]
    [InlineData(0x0, nameof(StatusCode.Internal))]
    [InlineData(0x1, nameof(StatusCode.Internal))]
    [InlineData(0x2, nameof(StatusCode.Internal))]
    [InlineData(0x3, nameof(StatusCode.Internal))]
    [InlineData(0x5, nameof(StatusCode.Internal))]
    [InlineData(0x7, nameof(StatusCode.Unavailable))]
    [InlineData(0x8, nameof(StatusCode.Cancelled))]
    [InlineData(0xb, nameof(StatusCode.ResourceExhausted))]
    [InlineData(0xc, nameof(StatusCode.PermissionDenied))]
    [InlineData(0x77, nameof(StatusCode.Internal))]
    public async Task A_broken_off_stream_is_what_its_error_code_says(int errorCode, string expected)
    {
        await using Listener server = await Listener.StartAsync(async http =>
        {
            http.Response.ContentType = "application/grpc";
            await http.Response.StartAsync();
            await http.Response.BodyWriter.WriteAsync(EmptyMessage);
            http.Features.GetRequiredFeature<IHttpResetFeature>().Reset(errorCode);
        });
        using GrpcChannel channel = GrpcChannel.ForAddress(server.Address);
        using AsyncServerStreamingCall<Answer> call = new Probe.ProbeClient(channel).ServerStream(new Ask(), Within.Options());
        StatusCode code = await StatusOfAsync(Task.Run(async () =>
        {
            while (await call.ResponseStream.MoveNext()) ;
        }));
        Assert.Equal(expected, $"{code}");
    }

    [Theory]
    [InlineData(400, nameof(StatusCode.Internal))]
    [InlineData(401, nameof(StatusCode.Unauthenticated))]
    [InlineData(403, nameof(StatusCode.PermissionDenied))]
    [InlineData(404, nameof(StatusCode.Unimplemented))]
    [InlineData(429, nameof(StatusCode.Unavailable))]
    [InlineData(500, nameof(StatusCode.Unknown))]
    [InlineData(502, nameof(StatusCode.Unavailable))]
    [InlineData(503, nameof(StatusCode.Unavailable))]
    [InlineData(504, nameof(StatusCode.Unavailable))]
    public async Task An_answer_of_a_proxy_is_what_its_status_says(int status, string expected)
    {
        StatusCode code = await StatusOfAnswerAsync(async http =>
        {
            (http.Response.StatusCode, http.Response.ContentType) = (status, "text/html");
            await http.Response.WriteAsync("<h1>Proxy</h1>");
        });
        Assert.Equal(expected, $"{code}");
    }

    [Theory]
    [InlineData(null)]
    [InlineData("text/html")]
    [InlineData("application/grpcx")]
    public async Task An_answer_of_another_type_is_no_success(string? type) => Assert.NotEqual(StatusCode.OK, await StatusOfAnswerAsync(async http =>
    {
        http.Response.ContentType = type;
        await http.Response.BodyWriter.WriteAsync(EmptyMessage);
        http.Response.AppendTrailer("grpc-status", "0");
    }));

    [Theory]
    [InlineData("application/grpc+proto")]
    [InlineData("application/grpc; charset=utf-8")]
    public async Task An_answer_may_say_more_of_its_type(string type) => Assert.Equal(StatusCode.OK, await StatusOfAnswerAsync(Grpc([EmptyMessage], "0", type)));

    [Fact]
    public async Task An_answer_without_a_status_is_no_success() => Assert.NotEqual(StatusCode.OK, await StatusOfAnswerAsync(Grpc([EmptyMessage], null)));

    [Fact]
    public async Task An_answer_without_a_message_is_no_success() => Assert.Equal(StatusCode.Internal, await StatusOfAnswerAsync(Grpc([], "0")));

    [Fact]
    public async Task An_answer_of_several_messages_is_no_success() => Assert.Equal(StatusCode.Internal, await StatusOfAnswerAsync(Grpc([EmptyMessage, EmptyMessage], "0")));

    [Theory]
    [InlineData("17")]
    [InlineData("4711")]
    [InlineData("99999999999999999999")]
    [InlineData("-1")]
    [InlineData("well")]
    public async Task A_status_that_gRPC_does_not_have_is_no_success(string status) => Assert.NotEqual(StatusCode.OK, await StatusOfAnswerAsync(Grpc([EmptyMessage], status)));

    [Fact]
    public async Task A_status_behind_a_message_counts() => Assert.Equal(StatusCode.DataLoss, await StatusOfAnswerAsync(Grpc([EmptyMessage], "15")));

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(9)]
    public async Task An_answer_that_ends_within_a_message_is_no_success(int length)
    {
        byte[] message = new byte[10];
        message[4] = 5;
        Assert.Equal(StatusCode.Internal, await StatusOfAnswerAsync(Grpc([message[..length]], "0")));
    }

    [Fact]
    public async Task An_answer_that_is_no_message_is_no_success()
    {
#if GRPC_DOTNET
        // Protobuf's exception is an IOException, which the packages take for the connection's.
        const StatusCode Expected = StatusCode.Unavailable;
#else
        const StatusCode Expected = StatusCode.Internal;
#endif
        Assert.Equal(Expected, await StatusOfAnswerAsync(Grpc([[0, 0, 0, 0, 3, 255, 255, 255]], "0")));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(255)]
    public async Task A_compressed_answer_is_no_success(byte flag) => Assert.NotEqual(StatusCode.OK, await StatusOfAnswerAsync(Grpc([[flag, 0, 0, 0, 0]], "0")));

    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(5 << 20)]
    public async Task An_answer_that_claims_to_be_huge_is_refused_before_it_comes(uint length)
    {
        byte[] prefix = new byte[5];
        BinaryPrimitives.WriteUInt32BigEndian(prefix.AsSpan(1), length);
        StatusCode code = await StatusOfAnswerAsync(async http =>
        {
            http.Response.ContentType = "application/grpc";
            await http.Response.BodyWriter.WriteAsync(prefix);
            await Task.Delay(Timeout.Infinite, http.RequestAborted).ContinueWith(_ => { });
        });
        Assert.Equal(StatusCode.ResourceExhausted, code);
    }

    [Fact]
    public async Task A_message_with_broken_escapes_is_taken_as_it_is()
    {
        await using Listener server = await Listener.StartAsync(http =>
        {
            http.Response.ContentType = "application/grpc";
            (http.Response.Headers["grpc-status"], http.Response.Headers["grpc-message"]) = ("3", "100%, %zz %ff %41");
            return Task.CompletedTask;
        });
        using GrpcChannel channel = GrpcChannel.ForAddress(server.Address);
        RpcException failure = await Assert.ThrowsAsync<RpcException>(async () => await new Probe.ProbeClient(channel).UnaryAsync(new Ask(), Within.Options()));
        Assert.StartsWith("100%, %zz ", failure.Status.Detail);
        Assert.EndsWith(" A", failure.Status.Detail);
    }

    [Fact]
    public async Task Header_fields_that_are_no_base64_do_no_harm() => Assert.Equal(StatusCode.OK, await StatusOfAnswerAsync(http =>
    {
        http.Response.Headers["x-bad-bin"] = "no base64!";
        return Grpc([EmptyMessage], "0")(http);
    }));

    private static RequestDelegate Grpc(byte[][] messages, string? status, string type = "application/grpc") => async http =>
    {
        http.Response.ContentType = type;
        await http.Response.StartAsync();
        foreach (byte[] message in messages) await http.Response.BodyWriter.WriteAsync(message);
        if (status is not null) http.Response.AppendTrailer("grpc-status", status);
    };

    private static async Task<StatusCode> StatusOfAnswerAsync(RequestDelegate answer)
    {
        await using Listener server = await Listener.StartAsync(answer);
        using GrpcChannel channel = GrpcChannel.ForAddress(server.Address);
        return await StatusOfAsync(new Probe.ProbeClient(channel).UnaryAsync(new Ask(), Within.Options()).ResponseAsync);
    }

    private static async Task<StatusCode> StatusOfAsync(Task task)
    {
        try
        {
            await task;
            return StatusCode.OK;
        }
        catch (RpcException failure)
        {
            return failure.StatusCode;
        }
    }
}
