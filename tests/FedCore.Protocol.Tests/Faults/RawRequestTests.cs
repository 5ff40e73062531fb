using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using FedCore.Protocol.Tests.Probing;
using FedCore.Tests;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;

namespace FedCore.Protocol.Tests.Faults;

/// <summary>What our server makes of requests that no decent client sends. It always answers, and stays up.</summary>
public class RawRequestTests
{
    private const string Grpc = "application/grpc", Web = "application/grpc-web";

    [Fact]
    public async Task Ten_thousand_random_bodies_are_each_answered()
    {
        string[] types = [Grpc, Grpc, "application/grpc+proto", Web, "application/grpc-web+proto", "application/grpcx", "text/plain", "", "application/grpc;"];
        string[] methods = ["Unary", "ServerStream", "ClientStream", "Duplex"];
        await using ProbeServer server = await ProbeServer.StartAsync(options => options.MaxReceiveMessageSize = 1000);
        using HttpClient http = Http();
        var random = new Random(2026);
        var requests = Enumerable.Range(0, 10_000).Select(_ => (Method: methods[random.Next(4)], Type: types[random.Next(types.Length)], Body: RandomBody(random))).ToArray();
        var codes = new int[17];
        await Parallel.ForEachAsync(requests, TestContext.Current.CancellationToken, async (request, ct) =>
        {
            using HttpResponseMessage response = await SendAsync(http, server.Address, request.Method, new ByteArrayContent(request.Body), request.Type, ct: ct);
            byte[] body = await response.Content.ReadAsByteArrayAsync(ct);
            bool isGrpc = request.Type.Split('+', ';')[0] is Grpc or Web;
            Assert.Equal(isGrpc ? HttpStatusCode.OK : HttpStatusCode.UnsupportedMediaType, response.StatusCode);
            if (isGrpc) Interlocked.Increment(ref codes[StatusIn(response, body)]);
        });

        // There were good requests and bad ones of several kinds.
        Assert.All((StatusCode[])[StatusCode.OK, StatusCode.Internal, StatusCode.ResourceExhausted], code => Assert.NotEqual(0, codes[(int)code]));
        using GrpcChannel channel = server.Channel();
        Assert.Equal(new Answer(), await new Probe.ProbeClient(channel).UnaryAsync(new Ask(), Within.Options()));
#if !GRPC_DOTNET
        Assert.Empty(server.Log.Errors);
#endif
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("0000", "")]
    [InlineData("0000000005", "01")]
    [InlineData("00", "00000005010203")]
    public async Task A_body_that_ends_within_a_message_is_internal(string start, string rest)
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        using HttpClient http = Http();
        foreach (string method in (string[])["Unary", "ServerStream"])
        {
            using HttpResponseMessage response = await SendAsync(http, server.Address, method, new ByteArrayContent(Convert.FromHexString(start + rest)), Grpc);
            Assert.Equal(StatusCode.Internal, (StatusCode)StatusIn(response, await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken)));
        }
    }

    [Fact]
    public async Task Several_messages_where_one_is_due_are_internal()
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        using HttpClient http = Http();
        using HttpResponseMessage response = await SendAsync(http, server.Address, "Unary", new ByteArrayContent(new byte[10]), Grpc);
        Assert.Equal(StatusCode.Internal, (StatusCode)StatusIn(response, await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken)));
    }

    [Theory]
    [InlineData("Unary", Grpc)]
    [InlineData("ServerStream", Grpc)]
    [InlineData("Unary", Web)]
    public async Task What_follows_the_one_message_that_is_due_is_refused_before_more_comes(string method, string type)
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        using HttpClient http = Http();
        using var body = new UnendingContent(new byte[6]);
        using HttpResponseMessage response = await SendAsync(http, server.Address, method, body, type);
        Assert.Equal(StatusCode.Internal, (StatusCode)StatusIn(response, await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken)));
    }

    [Theory]
    [InlineData("Unary")]
    [InlineData("ClientStream")]
    public async Task A_message_that_claims_to_be_huge_is_refused_before_it_comes(string method)
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        using HttpClient http = Http();
        using var body = new UnendingContent([0, 127, 255, 255, 255]);
        using HttpResponseMessage response = await SendAsync(http, server.Address, method, body, Grpc);
        Assert.Equal(StatusCode.ResourceExhausted, (StatusCode)StatusIn(response, []));
    }

    [Theory]
    [InlineData("1S", true)]
    [InlineData("99999999H", true)]
    [InlineData("99999999S", true)]
    [InlineData("00000001H", true)]
    [InlineData("", true)]
    [InlineData("S", true)]
    [InlineData("-1S", true)]
    [InlineData("+1S", true)]
    [InlineData(" 1S", true)]
    [InlineData("1 S", true)]
    [InlineData("1s", true)]
    [InlineData("1.5S", true)]
    [InlineData("123456789S", true)]
    [InlineData("1x", true)]
    [InlineData("0n", false)]
    [InlineData("1n", false)]
    [InlineData("1u", false)]
    [InlineData("0S", false)]
    public async Task A_timeout_is_kept_and_what_is_none_is_let_be(string timeout, bool isAnswered)
    {
#if GRPC_DOTNET
        Assert.SkipUnless(isAnswered, "The packages take a timeout that has passed for none.");
#endif
        await using ProbeServer server = await ProbeServer.StartAsync();
        using HttpClient http = Http();
        Ask ask = isAnswered ? new Ask() : Ask.For("wait", "for ever");
        using HttpResponseMessage response = await SendAsync(http, server.Address, "Unary", new ByteArrayContent(Framed(ask)), Grpc, ("grpc-timeout", timeout));
        StatusCode code = (StatusCode)StatusIn(response, await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken));
        Assert.Equal(isAnswered ? StatusCode.OK : StatusCode.DeadlineExceeded, code);
    }

    [Fact]
    public async Task A_message_cannot_break_out_of_its_header_field()
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        using HttpClient http = Http();
        byte[] body = Framed(Ask.For("fail", "well\r\ngrpc-status: 0\r\n\r\nx: \0\u007f\u0085"));
        foreach (var (address, type, version) in ((Uri, string, Version)[])[(server.Address, Grpc, HttpVersion.Version20), (server.WebAddress, Web, HttpVersion.Version11)])
        {
            using HttpResponseMessage response = await SendAsync(http, address, "Unary", new ByteArrayContent(body), type, version: version);
            byte[] answer = await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
            Assert.Equal(StatusCode.NotFound, (StatusCode)StatusIn(response, answer));
            Assert.Equal("well%0D%0Agrpc-status: 0%0D%0A%0D%0Ax: %00%7F%C2%85", FieldIn(response, answer, "grpc-message"));
        }
    }

    [Fact]
    public async Task Trailers_of_gRPC_Web_come_as_the_last_frame()
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        using HttpClient http = Http();
        using HttpResponseMessage response = await SendAsync(http, server.WebAddress, "Unary", new ByteArrayContent(Framed(Ask.For("", "x"))), Web, version: HttpVersion.Version11);
        byte[] body = await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
        Assert.Equal(Framed(new Answer { Payload = ByteString.CopyFromUtf8("x") }), body[..8]);
        Assert.Equal([0x80, 0, 0, 0, (byte)(body.Length - 13)], body[8..13]);
        Assert.Contains("grpc-status:0\r\n", System.Text.Encoding.ASCII.GetString(body[13..]).Replace(": ", ":", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.StartsWith(Web, response.Content.Headers.ContentType!.MediaType, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Plain_gRPC_over_HTTP_1_is_told_to_upgrade()
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        using HttpClient http = Http();
        using HttpResponseMessage response = await SendAsync(http, server.WebAddress, "Unary", new ByteArrayContent(Framed(new Ask())), Grpc, version: HttpVersion.Version11);
        Assert.Equal(HttpStatusCode.UpgradeRequired, response.StatusCode);
    }

    [Fact]
    public async Task Clients_that_break_off_in_a_message_leave_no_trace()
    {
        await using ProbeServer server = await ProbeServer.StartAsync();
        using HttpClient http = Http();
        for (int i = 0; i < 100; i++)
        {
            using var cancel = new CancellationTokenSource();
            using var body = new UnendingContent([0, 0, 0, 0, 100, 1, 2, 3]);
            Task<HttpResponseMessage> sending = i % 4 == 0
                ? SendAsync(http, server.WebAddress, "Unary", body, Web, version: HttpVersion.Version11, ct: cancel.Token)
                : SendAsync(http, server.Address, i % 4 == 1 ? "Unary" : "Duplex", body, Grpc, ct: cancel.Token);
            await body.Begun;
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
        }

        using GrpcChannel channel = server.Channel();
        Assert.Equal(new Answer(), await new Probe.ProbeClient(channel).UnaryAsync(new Ask(), Within.Options()));
#if !GRPC_DOTNET
        Assert.Empty(server.Log.Errors);
#endif
    }

    private static HttpClient Http() => new(new SocketsHttpHandler()) { Timeout = Within.Patience };

    private static async Task<HttpResponseMessage> SendAsync(
        HttpClient http, Uri server, string method, HttpContent body, string type, (string Name, string Value) field = default, Version? version = null, CancellationToken ct = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server, "/fedcore.tests.Probe/" + method)) { Content = body };
        (request.Version, request.VersionPolicy) = (version ?? HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact);
        if (type.Length > 0) body.Headers.TryAddWithoutValidation("content-type", type);
        if (field.Name is not null) request.Headers.TryAddWithoutValidation(field.Name, field.Value);
        return await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ct.CanBeCanceled ? ct : TestContext.Current.CancellationToken);
    }

    // Bytes of all sorts: noise, noise in a frame, and good requests of which a byte was changed.
    private static byte[] RandomBody(Random random)
    {
        byte[] noise = new byte[random.Next(64)];
        random.NextBytes(noise);
        if (random.Next(3) == 0) return noise;
        if (random.Next(2) == 0) return [0, 0, 0, 0, (byte)noise.Length, .. noise];
        byte[] good = Framed(new Ask { Payload = ByteString.CopyFrom(noise), Count = random.Next(3), Size = random.Next(10) });
        if (random.Next(2) == 0) good[random.Next(good.Length)] = (byte)random.Next(256);
        return good;
    }

    private static byte[] Framed(IMessage message)
    {
        byte[] bytes = message.ToByteArray();
        return [0, (byte)(bytes.Length >> 24), (byte)(bytes.Length >> 16), (byte)(bytes.Length >> 8), (byte)bytes.Length, .. bytes];
    }

    private static int StatusIn(HttpResponseMessage response, byte[] body) => int.Parse(FieldIn(response, body, "grpc-status")!, CultureInfo.InvariantCulture);

    // In the header fields, in the trailers, or in gRPC-Web's frame.
    private static string? FieldIn(HttpResponseMessage response, byte[] body, string name)
    {
        foreach (HttpHeaders fields in (HttpHeaders[])[response.Headers, response.TrailingHeaders])
            if (fields.TryGetValues(name, out IEnumerable<string>? values)) return Assert.Single(values);
        string text = System.Text.Encoding.Latin1.GetString(body);
        string line = text[text.LastIndexOf(name + ":", StringComparison.Ordinal)..];
        return line[(name.Length + 1)..line.IndexOf('\r')].TrimStart();
    }
}
