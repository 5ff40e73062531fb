using System.Globalization;
using System.Text.RegularExpressions;
using FedCore.Aggregator.Sites;
using FedCore.Aggregator.Telemetry;
using FedCore.Protocol.Connections;
using FedCore.Protocol.V1;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace FedCore.Aggregator.Services;

/// <summary>Lets in calls of a known version of the protocol, from whom a token makes known; everybody else is refused before a byte of the message is read.</summary>
/// <param name="sites">The sites and their tokens.</param>
/// <param name="coordinatorHash">The hash of the coordinators' token.</param>
/// <param name="logger">Hears of who was refused.</param>
internal sealed partial class Authentication(SiteDirectory sites, string coordinatorHash, ILogger logger)
{
    private const string Bearer = "Bearer ";

    /// <summary>Goes behind the routing, which alone knows what a path leads to.</summary>
    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (!IsCall(context) || Check(context) is not { } refused) return next(context);
        Log.CallRefused(logger, Shown.Of(context.Request.Path.Value ?? ""), context.Connection.RemoteIpAddress?.ToString() ?? "", refused.Message);
        Refuse(context.Response, refused.Status, refused.Message, refused.Fault);
        return Task.CompletedTask;
    }

    // Every call is a POST. What the routing answers by itself, as with 405 a POST to what is only read, is no route and leads to no call.
    private static bool IsCall(HttpContext context) => HttpMethods.IsPost(context.Request.Method) && context.GetEndpoint() is null or RouteEndpoint;

    private (StatusCode Status, string Message, Fault Fault)? Check(HttpContext context)
    {
        if (context.Request.Headers[ProtocolVersion.Field] is not [{ } version] || version != ProtocolVersion.Current)
        {
            string spoken = context.Request.Headers[ProtocolVersion.Field].ToString();
            return (StatusCode.FailedPrecondition,
                $"The client speaks version {(spoken.Length == 0 ? "none" : $"'{Shown.Of(spoken)}'")} of the protocol; this aggregator serves version {ProtocolVersion.Current}. Install a version of FedCore that fits.",
                new Fault { Code = "protocol.version", Field = ProtocolVersion.Field, ServedVersions = { ProtocolVersion.Number } });
        }

        if (context.Request.Headers.Authorization is not [{ } authorization] || !authorization.StartsWith(Bearer, StringComparison.Ordinal))
            return Unknown("The call has no token. Send it as \"authorization: Bearer TOKEN\".");
        string hash = JoinToken.Hash(authorization[Bearer.Length..]);

        // What there is not may be asked for by everybody who is known: a newer client does without it.
        Access access = context.GetEndpoint() is { } endpoint ? endpoint.Metadata.GetMetadata<Access>() ?? Access.Coordinators : Access.Everybody;
        if (JoinToken.Matches(hash, coordinatorHash))
        {
            if (!access.ForCoordinators) return Denied("This call is for sites; the token is a coordinator's.");
            context.Features.Set(new Caller(null, hash));
            return null;
        }

        if (sites.FindByToken(hash) is not { } site) return Unknown("The token is not known, or was replaced. Ask the coordinator for the site's token.");
        if (!access.ForSites) return Denied("This call is for coordinators; the token is a site's.");
        if (context.Request.Headers[ProtocolVersion.ClientField] is not [{ } client] || ClientPattern().Match(client) is not { Success: true } match)
            return (StatusCode.InvalidArgument, $"{ProtocolVersion.ClientField} must be 32 hexadecimal digits, the number of the client's start, and 16 hexadecimal digits of the process, with dots between them.", new Fault { Code = "request.invalid", Field = ProtocolVersion.ClientField });
        if (site.Admit(match.Groups[1].Value, long.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture), match.Groups[3].Value) is { } reason)
        {
            Log.SiteRefused(logger, site.Name, context.Connection.RemoteIpAddress?.ToString() ?? "", reason);
            return (StatusCode.AlreadyExists, reason, new Fault { Code = "client.duplicate" });
        }

        context.Features.Set(new Caller(site, hash));
        return null;
    }

    private static (StatusCode, string, Fault) Unknown(string message) => (StatusCode.Unauthenticated, message, new Fault { Code = "auth.token", Field = "authorization" });

    private static (StatusCode, string, Fault) Denied(string message) => (StatusCode.PermissionDenied, message, new Fault { Code = "auth.role", Field = "authorization" });

    // An answer without messages has its status in the header fields.
    private static void Refuse(HttpResponse response, StatusCode status, string message, Fault fault)
    {
        response.ContentType = "application/grpc";
        response.Headers["grpc-status"] = ((int)status).ToString(CultureInfo.InvariantCulture);
        response.Headers["grpc-message"] = Uri.EscapeDataString(message).Replace("%20", " ", StringComparison.Ordinal);
        response.Headers[RpcDetails.Trailer] = Convert.ToBase64String(RpcDetails.Of(status, message, fault)).TrimEnd('=');
    }

    [GeneratedRegex(@"^([0-9a-f]{32})\.([0-9]{1,18})\.([0-9a-f]{16})\z")]
    private static partial Regex ClientPattern();
}
