using Microsoft.AspNetCore.Http;

namespace Grpc.Core;

internal static class ServerCallContextExtensions
{
    public static HttpContext GetHttpContext(this ServerCallContext context) => context.HttpContext;
}
