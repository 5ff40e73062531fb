using System.Buffers;
using System.Text;
using Grpc;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Microsoft.AspNetCore.Builder;

internal sealed class GrpcWebOptions
{
    /// <summary>Whether all services are served over gRPC-Web too.</summary>
    public bool DefaultEnabled { get; set; }
}

/// <summary>Lets gRPC-Web in: the endpoints see a call like any other, and its trailers become the body's last frame.</summary>
internal static class GrpcWebMiddleware
{
    private const byte TrailerFlag = 0x80;

    public static IApplicationBuilder UseGrpcWeb(this IApplicationBuilder app, GrpcWebOptions options) => !options.DefaultEnabled
        ? app
        : app.Use((context, next) => Wire.IsOfType(context.Request.ContentType, Wire.WebContentType) ? TranslateAsync(context, next) : next(context));

    private static async Task TranslateAsync(HttpContext context, RequestDelegate next)
    {
        var trailers = new KeptTrailers();
        context.Features.Set<IHttpResponseTrailersFeature>(trailers);
        (context.Request.ContentType, context.Request.Protocol) = (Wire.ContentType, HttpProtocol.Http2);
        context.Response.OnStarting(() =>
        {
            if (context.Response.ContentType == Wire.ContentType) context.Response.ContentType = Wire.WebContentType + "+proto";
            return Task.CompletedTask;
        });
        await next(context).ConfigureAwait(false);
        if (trailers.Trailers.Count > 0 && !context.RequestAborted.IsCancellationRequested) WriteFrame(context.Response, trailers.Trailers);
    }

    private static void WriteFrame(HttpResponse response, IHeaderDictionary trailers)
    {
        var text = new StringBuilder();
        foreach (var (name, values) in trailers)
            foreach (string? value in values) text.Append(name.ToLowerInvariant()).Append(':').Append(value).Append("\r\n");
        byte[] bytes = Encoding.ASCII.GetBytes(text.ToString());
        Span<byte> prefix = response.BodyWriter.GetSpan(Wire.PrefixLength);
        Wire.WritePrefix(prefix, bytes.Length);
        prefix[0] = TrailerFlag;
        response.BodyWriter.Advance(Wire.PrefixLength);
        response.BodyWriter.Write(bytes);
    }

    private sealed class KeptTrailers : IHttpResponseTrailersFeature
    {
        public IHeaderDictionary Trailers { get; set; } = new HeaderDictionary();
    }
}
