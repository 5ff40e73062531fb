using System.Net;
using Grpc.AspNetCore.Server;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace FedCore.Protocol.Tests.Probing;

/// <summary>Our server with the probe's service: one port for HTTP/2, one for HTTP/1.1 and gRPC-Web.</summary>
internal sealed class ProbeServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private ProbeServer(WebApplication app, ProbeService service, KeptLog log)
    {
        (_app, Service, Log) = (app, service, log);
        (Address, WebAddress) = (new Uri(app.Urls.First()), new Uri(app.Urls.Last()));
    }

    public Uri Address { get; }

    public Uri WebAddress { get; }

    public ProbeService Service { get; }

    public KeptLog Log { get; }

    /// <summary>Starts one.</summary>
    /// <param name="configure">Sets limits.</param>
    /// <param name="map">Maps more than the probe's service.</param>
    public static async Task<ProbeServer> StartAsync(Action<GrpcServiceOptions>? configure = null, Action<WebApplication>? map = null)
    {
        var (service, log) = (new ProbeService(), new KeptLog());
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxConcurrentConnections = null;
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2);
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1);
        });
        builder.Logging.AddProvider(log);
        builder.Services.AddRouting();
        builder.Services.AddGrpc(configure ?? (_ => { }));
        builder.Services.AddSingleton(service);
        WebApplication app = builder.Build();
        app.UseRouting();
        app.UseGrpcWeb(new GrpcWebOptions { DefaultEnabled = true });
        app.MapGrpcService<ProbeService>();
        map?.Invoke(app);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new ProbeServer(app, service, log);
    }

    public GrpcChannel Channel(GrpcChannelOptions? options = null) => GrpcChannel.ForAddress(Address, options ?? new GrpcChannelOptions());

    public async ValueTask DisposeAsync()
    {
        using var atOnce = new CancellationTokenSource();
        await atOnce.CancelAsync();
        await _app.StopAsync(atOnce.Token);
        await _app.DisposeAsync();
    }
}
