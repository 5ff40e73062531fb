using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace FedCore.Protocol.Tests.Probing;

/// <summary>Kestrel on two ports of this machine: one for HTTP/2, one for HTTP/1.1.</summary>
internal class Listener(WebApplication app, KeptLog log) : IAsyncDisposable
{
    public Uri Address { get; } = new(app.Urls.First());

    public Uri WebAddress { get; } = new(app.Urls.Last());

    public KeptLog Log => log;

    /// <summary>Starts one that answers each request as it is told to.</summary>
    public static async Task<Listener> StartAsync(RequestDelegate answer)
    {
        var log = new KeptLog();
        WebApplication app = Builder(log).Build();
        app.Run(answer);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new Listener(app, log);
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        using var atOnce = new CancellationTokenSource();
        await atOnce.CancelAsync();
        await app.StopAsync(atOnce.Token);
        await app.DisposeAsync();
    }

    protected static WebApplicationBuilder Builder(KeptLog log)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2);
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1);
        });
        builder.Logging.AddProvider(log);
        return builder;
    }
}
