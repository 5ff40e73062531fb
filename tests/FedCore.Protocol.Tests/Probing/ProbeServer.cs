using Grpc.AspNetCore.Server;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace FedCore.Protocol.Tests.Probing;

/// <summary>Our server with the probe's service, over HTTP/2 and, for gRPC-Web, HTTP/1.1.</summary>
internal sealed class ProbeServer : Listener
{
    private ProbeServer(WebApplication app, ProbeService service, KeptLog log)
        : base(app, log) => Service = service;

    public ProbeService Service { get; }

    /// <summary>Starts one.</summary>
    /// <param name="configure">Sets limits.</param>
    /// <param name="map">Maps more than the probe's service.</param>
    /// <param name="register">Registers what that needs.</param>
    public static async Task<ProbeServer> StartAsync(
        Action<GrpcServiceOptions>? configure = null, Action<WebApplication>? map = null, Action<IServiceCollection>? register = null)
    {
        var (service, log) = (new ProbeService(), new KeptLog());
        WebApplicationBuilder builder = Builder(log);
        builder.Services.AddRouting();
        builder.Services.AddGrpc(configure ?? (_ => { }));
        builder.Services.AddSingleton(service);
        register?.Invoke(builder.Services);
        WebApplication app = builder.Build();
        app.UseRouting();
        app.UseGrpcWeb(new GrpcWebOptions { DefaultEnabled = true });
        app.MapGrpcService<ProbeService>();
        map?.Invoke(app);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new ProbeServer(app, service, log);
    }

    public GrpcChannel Channel(GrpcChannelOptions? options = null) => GrpcChannel.ForAddress(Address, options ?? new GrpcChannelOptions());
}
