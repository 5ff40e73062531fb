using System.Collections.Concurrent;
using System.Net;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace FedCore.Cli.Tests.Service;

/// <summary>A collector of OpenTelemetry that keeps what it is sent: OTLP over HTTP, as far as tests look at it.</summary>
internal sealed class Collector : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<string> _faults = new();

    private Collector(WebApplication app) => _app = app;

    public string Address => _app.Urls.Single();

    public ConcurrentQueue<Span> Spans { get; } = new();

    public ConcurrentQueue<string> Metrics { get; } = new();

    public ConcurrentQueue<string> Services { get; } = new();

    /// <summary>What came that was no OTLP.</summary>
    public IReadOnlyCollection<string> Faults => _faults;

    public static async Task<Collector> StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        WebApplication app = builder.Build();
        var collector = new Collector(app);
        app.Run(collector.TakeAsync);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return collector;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        if (context.Request is not { Method: "POST", ContentType: "application/x-protobuf" }) _faults.Enqueue($"{context.Request.Method} {context.Request.ContentType}");

        // opentelemetry.proto: ExportMetricsServiceRequest and ExportTraceServiceRequest, of the same shape down to the scopes.
        foreach (ByteString perResource in Message.Parse(body.ToArray()).All(1))
        {
            Message resource = Message.Parse(perResource);
            foreach (ByteString attribute in Message.Parse(resource.One(1)).All(1))
                if (Attribute(attribute) is ("service.name", { } service)) Services.Enqueue(service);
            foreach (ByteString item in resource.All(2).SelectMany(scope => Message.Parse(scope).All(2)))
            {
                Message message = Message.Parse(item);
                switch (context.Request.Path.Value)
                {
                    case "/v1/metrics":
                        Metrics.Enqueue(message.One(1).ToStringUtf8());
                        break;
                    case "/v1/traces":
                        Spans.Enqueue(new Span(message.One(5).ToStringUtf8(), Hex(message.One(1)), Hex(message.One(2)), Hex(message.One(4)), message.All(9).Select(Attribute).ToDictionary()));
                        break;
                    default:
                        _faults.Enqueue(context.Request.Path);
                        break;
                }
            }
        }
    }

    private static string Hex(ByteString bytes) => Convert.ToHexStringLower(bytes.Span);

    // KeyValue { key, AnyValue { string, bool, int, ... } }
    private static (string Key, string Value) Attribute(ByteString bytes)
    {
        Message pair = Message.Parse(bytes), value = Message.Parse(pair.One(2));
        return (pair.One(1).ToStringUtf8(), value.Number(3) is { } number ? $"{number}" : value.One(1).ToStringUtf8());
    }

    /// <summary>Something that was done.</summary>
    internal sealed record Span(string Name, string Trace, string Id, string Parent, IReadOnlyDictionary<string, string> Tags);

    /// <summary>A message of Protocol Buffers without its definition: its fields by their numbers.</summary>
    private sealed class Message
    {
        private readonly List<(int Field, ByteString Bytes, ulong Number)> _fields = [];

        public static Message Parse(ByteString bytes) => Parse(bytes.ToByteArray());

        public static Message Parse(byte[] bytes)
        {
            var message = new Message();
            var input = new CodedInputStream(bytes);
            for (uint tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
            {
                int field = WireFormat.GetTagFieldNumber(tag);
                message._fields.Add(WireFormat.GetTagWireType(tag) switch
                {
                    WireFormat.WireType.LengthDelimited => (field, input.ReadBytes(), 0),
                    WireFormat.WireType.Varint => (field, ByteString.Empty, input.ReadUInt64()),
                    WireFormat.WireType.Fixed64 => (field, ByteString.Empty, input.ReadFixed64()),
                    _ => (field, ByteString.Empty, input.ReadFixed32()),
                });
            }

            return message;
        }

        public IEnumerable<ByteString> All(int field) => _fields.Where(found => found.Field == field).Select(found => found.Bytes);

        public ByteString One(int field) => All(field).FirstOrDefault(ByteString.Empty);

        public ulong? Number(int field) => _fields.FindIndex(found => found.Field == field) is >= 0 and var at ? _fields[at].Number : null;
    }
}
