using Grpc.AspNetCore.Server;

namespace Microsoft.Extensions.DependencyInjection;

internal static class GrpcServices
{
    public static IServiceCollection AddGrpc(this IServiceCollection services, Action<GrpcServiceOptions>? configureOptions = null) =>
        services.Configure(configureOptions ?? (_ => { }));
}
