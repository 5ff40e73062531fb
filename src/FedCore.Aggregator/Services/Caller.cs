using FedCore.Aggregator.Sites;
using Grpc.Core;

namespace FedCore.Aggregator.Services;

/// <summary>Who makes a call.</summary>
/// <param name="Site">The site; null for a coordinator.</param>
internal sealed record Caller(Site? Site)
{
    /// <summary>The caller of a call that was let in.</summary>
    public static Caller Of(ServerCallContext context) => context.GetHttpContext().Features.Get<Caller>()
        ?? throw RpcFault.Of(StatusCode.Unauthenticated, "auth.missing", "The call was not authenticated.");

    /// <summary>The site that makes a call.</summary>
    public static Site SiteOf(ServerCallContext context) => Of(context).Site
        ?? throw RpcFault.Of(StatusCode.PermissionDenied, "auth.role", "This call is for sites; the token is a coordinator's.");
}
