using System.Net;
using FedCore.Aggregator.Sites;
using FedCore.Aggregator.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using OpenTelemetry.Metrics;

namespace FedCore.Aggregator.Hosting;

/// <summary>What an operator's tools ask an aggregator for: whether it lives, whether it can work, and what it measures.</summary>
internal static class OperatorEndpoints
{
    // With less, even small updates may soon find no room.
    private const long RoomNeeded = 16 << 20;

    private const string Bearer = "Bearer ";

    // Load balancers and watchdogs ask with either.
    private static readonly string[] Reads = [HttpMethods.Get, HttpMethods.Head];

    /// <summary>Adds them.</summary>
    /// <param name="app">The application.</param>
    /// <param name="settled">Ends when the runs of an earlier process were taken up.</param>
    /// <param name="folder">The data folder.</param>
    /// <param name="journal">Says whether the journal answers.</param>
    /// <param name="meters">The measurements.</param>
    /// <param name="coordinatorHash">The hash of the coordinators' token.</param>
    public static void MapOperator(this WebApplication app, Task settled, string folder, JournalHealth journal, MeterProvider meters, string coordinatorHash)
    {
        app.MapMethods("/healthz/live", Reads, () => "ok");
        app.MapMethods("/healthz/ready", Reads, async () => await WhyNotReadyAsync(settled, folder, journal).ConfigureAwait(false) is { } reason ? Results.Text(reason, statusCode: StatusCodes.Status503ServiceUnavailable) : Results.Text("ok"));
        app.MapPrometheusScrapingEndpoint("/metrics", meters, branch => branch.Use((context, next) => MayRead(context, coordinatorHash) ? next(context) : RefuseAsync(context.Response)), null)
            .WithMetadata(new HttpMethodMetadata(Reads));
    }

    /// <summary>
    /// Whether a caller may read the measurements: names of runs are nobody else's business. What a proxy on this machine passes on is not from this machine; nor is
    /// what a browser here asks for on behalf of a page whose name was made to point here.
    /// </summary>
    public static bool MayRead(HttpContext context, string coordinatorHash)
    {
        IHeaderDictionary headers = context.Request.Headers;
        if (headers.Authorization is [{ } authorization] && authorization.StartsWith(Bearer, StringComparison.Ordinal) && JoinToken.Matches(JoinToken.Hash(authorization[Bearer.Length..]), coordinatorHash)) return true;
        return context.Connection.RemoteIpAddress is { } address && IPAddress.IsLoopback(address) && IsLocal(context.Request.Host.Host) && !headers.ContainsKey("X-Forwarded-For") && !headers.ContainsKey("Forwarded") && !headers.ContainsKey("Via");
    }

    private static bool IsLocal(string host) => host.Length == 0 || host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host, out IPAddress? address) && IPAddress.IsLoopback(address));

    private static async Task<string?> WhyNotReadyAsync(Task settled, string folder, JournalHealth journal)
    {
        if (!settled.IsCompletedSuccessfully) return "runs are being taken up";
        if (Disk.FreeBytes(folder) < RoomNeeded) return "the disk of the data folder is full";
        return await journal.AnswersAsync().ConfigureAwait(false) ? null : "the journal cannot be reached";
    }

    private static Task RefuseAsync(HttpResponse response)
    {
        response.StatusCode = StatusCodes.Status401Unauthorized;
        response.Headers.WWWAuthenticate = "Bearer";
        return response.WriteAsync("Measurements are for this machine, or for who sends the coordinators' token as \"authorization: Bearer TOKEN\".");
    }
}
