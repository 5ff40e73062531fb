using FedCore.Aggregator.Sites;
using Grpc.Core;

namespace FedCore.Aggregator.Services;

/// <summary>Who makes a call.</summary>
/// <param name="Site">The site; null for a coordinator.</param>
/// <param name="TokenHash">The hash of the token that the call was let in by.</param>
internal sealed record Caller(Site? Site, string TokenHash)
{
    /// <summary>The caller of a call that was let in.</summary>
    /// <exception cref="RpcException">The call's token is not good any more (<c>auth.token</c>).</exception>
    public static Caller Of(ServerCallContext context)
    {
        Caller caller = context.GetHttpContext().Features.Get<Caller>() ?? throw RpcFault.Of(StatusCode.Unauthenticated, "auth.missing", "The call was not authenticated.");
        return caller.Site is null || caller.Site.TokenHash == caller.TokenHash
            ? caller
            : throw RpcFault.Of(StatusCode.Unauthenticated, "auth.token", "The token was replaced during the call. Ask the coordinator for the site's token.", "authorization");
    }

    /// <summary>Ends a call that has lasted while its site was given another token, or none.</summary>
    /// <exception cref="RpcException">The call's token is not good any more (<c>auth.token</c>).</exception>
    public static void Recheck(ServerCallContext context) => _ = Of(context);

    /// <summary>The site that makes a call; see <see cref="Of"/>.</summary>
    public static Site SiteOf(ServerCallContext context) => Of(context).Site
        ?? throw RpcFault.Of(StatusCode.PermissionDenied, "auth.role", "This call is for sites; the token is a coordinator's.");
}
