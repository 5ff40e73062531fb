using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using FedCore.Protocol.Connections;
using FedCore.Protocol.V1;
using Google.Protobuf.Reflection;
using Grpc.Core;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>Calls byte by byte, as no decent client makes them.</summary>
/// <param name="address">Where to.</param>
/// <param name="isWeb">Whether they go as gRPC-Web over HTTP/1.1.</param>
internal sealed class RawCalls(Uri address, bool isWeb = false) : IDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler { EnableMultipleHttp2Connections = true }) { Timeout = TestAggregator.Patience };

    /// <summary>All methods of all services, as the descriptors have them.</summary>
    public static IReadOnlyList<MethodDescriptor> Methods { get; } =
        [.. ((FileDescriptor[])[CommonReflection.Descriptor, EdgeReflection.Descriptor, AdminReflection.Descriptor]).SelectMany(file => file.Services).SelectMany(service => service.Methods)];

    /// <summary>Their paths.</summary>
    public static IReadOnlyList<string> Paths { get; } = [.. Methods.Select(PathOf)];

    public static string PathOf(MethodDescriptor method) => $"/{method.Service.FullName}/{method.Name}";

    /// <summary>Sends a body.</summary>
    /// <param name="path">The path.</param>
    /// <param name="body">The body.</param>
    /// <param name="authorization">The field <c>authorization</c>; null for none.</param>
    /// <param name="client">The field <c>fedcore-client</c>; null for none.</param>
    /// <param name="version">The field <c>fedcore-protocol</c>.</param>
    /// <param name="timeout">The field <c>grpc-timeout</c>; null for none.</param>
    public Task<RawAnswer> SendAsync(string path, byte[] body, string? authorization, string? client, string version = ProtocolVersion.Current, string? timeout = null) =>
        SendAsync(path, new ByteArrayContent(body), authorization, client, version, timeout, TestContext.Current.CancellationToken);

    /// <summary>Sends a body of any kind.</summary>
    public async Task<RawAnswer> SendAsync(string path, HttpContent content, string? authorization, string? client, string version, string? timeout, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(address, path)) { Content = content };
        (request.Version, request.VersionPolicy) = (isWeb ? HttpVersion.Version11 : HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact);
        content.Headers.ContentType = new MediaTypeHeaderValue(isWeb ? "application/grpc-web" : "application/grpc");
        (string, string?)[] fields = [("authorization", authorization), (ProtocolVersion.ClientField, client), (ProtocolVersion.Field, version), ("grpc-timeout", timeout)];
        foreach ((string name, string? value) in fields)
            if (value is not null) request.Headers.TryAddWithoutValidation(name, value);
        using HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ct);
        byte[] body = await response.Content.ReadAsByteArrayAsync(ct);

        // What a gRPC client takes it for.
        if (response.StatusCode == HttpStatusCode.NotFound) return new RawAnswer(StatusCode.Unimplemented, null);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        int status = int.Parse(FieldIn(response, body, "grpc-status") ?? throw new InvalidDataException($"{path}: the answer has no status."), CultureInfo.InvariantCulture);
        Assert.InRange(status, (int)StatusCode.OK, (int)StatusCode.Unauthenticated);
        if (FieldIn(response, body, RpcDetails.Trailer) is not { } details) return new RawAnswer((StatusCode)status, null);
        StatusDetails read = StatusDetails.Parser.ParseFrom(Convert.FromBase64String(details.PadRight((details.Length + 3) / 4 * 4, '=')));
        Assert.Equal(status, read.Code);
        return new RawAnswer((StatusCode)status, Assert.Single(read.Details).Unpack<Fault>());
    }

    public void Dispose() => _http.Dispose();

    // In the header fields, in the trailers, or in the last frame of gRPC-Web.
    private static string? FieldIn(HttpResponseMessage response, byte[] body, string name)
    {
        foreach (HttpHeaders fields in (HttpHeaders[])[response.Headers, response.TrailingHeaders])
            if (fields.TryGetValues(name, out IEnumerable<string>? values)) return Assert.Single(values);
        string text = "\n" + Encoding.Latin1.GetString(body);
        int start = text.LastIndexOf(name + ":", StringComparison.Ordinal);
        return start < 0 ? null : text[(start + name.Length + 1)..text.IndexOf('\r', start)].TrimStart();
    }
}

/// <summary>What came back.</summary>
/// <param name="Status">The canonical status.</param>
/// <param name="Fault">What it says to programs; null for nothing.</param>
internal sealed record RawAnswer(StatusCode Status, Fault? Fault)
{
    /// <summary>Status and reason code.</summary>
    public string Reason => $"{Status} {Fault?.Code}";
}
