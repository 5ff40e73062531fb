using System.Reflection;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Services behind ASP.NET Core's endpoints. A service is registered as a singleton.</summary>
internal static class GrpcEndpoints
{
    public static IEndpointConventionBuilder MapGrpcService<TService>(this IEndpointRouteBuilder builder)
        where TService : class
    {
        BindServiceMethodAttribute bind = typeof(TService).BaseType?.GetCustomAttribute<BindServiceMethodAttribute>()
            ?? throw new InvalidOperationException($"{typeof(TService)} does not derive from a service's base class.");
        MethodInfo method = bind.BindType.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
            .Single(candidate => candidate.Name == bind.BindMethodName && candidate.GetParameters().Length == 2);
        var binder = new EndpointBinder(builder);
        method.Invoke(null, [binder, builder.ServiceProvider.GetRequiredService<TService>()]);
        return binder.Group;
    }

    private sealed class EndpointBinder(IEndpointRouteBuilder builder) : ServiceBinderBase
    {
        private readonly GrpcServiceOptions _options = builder.ServiceProvider.GetRequiredService<IOptions<GrpcServiceOptions>>().Value;
        private readonly ILogger _logger = builder.ServiceProvider.GetRequiredService<ILoggerFactory>().CreateLogger("Grpc");

        public RouteGroupBuilder Group { get; } = builder.MapGroup("");

        public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler) =>
            Map(method, async call => await call.WriteAsync(await handler!(await call.ReadSingleAsync().ConfigureAwait(false), call).ConfigureAwait(false)).ConfigureAwait(false));

        public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, ClientStreamingServerMethod<TRequest, TResponse>? handler) =>
            Map(method, async call => await call.WriteAsync(await handler!(call, call).ConfigureAwait(false)).ConfigureAwait(false));

        public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse>? handler) =>
            Map(method, async call => await handler!(await call.ReadSingleAsync().ConfigureAwait(false), call, call).ConfigureAwait(false));

        public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse>? handler) =>
            Map(method, call => handler!(call, call, call));

        private void Map<TRequest, TResponse>(Method<TRequest, TResponse> method, Func<ServerCall<TRequest, TResponse>, Task> handle)
            where TRequest : class where TResponse : class =>
            Group.MapPost(method.FullName, (RequestDelegate)(context => new ServerCall<TRequest, TResponse>(context, method, _options, _logger).RunAsync(handle)))
                .WithDisplayName("gRPC " + method.FullName);
    }
}
