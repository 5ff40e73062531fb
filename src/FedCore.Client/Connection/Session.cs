using FedCore.Client.Telemetry;
using FedCore.Protocol.Connections;
using FedCore.Protocol.V1;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace FedCore.Client.Connection;

/// <summary>What the client knows of the aggregator since it has joined.</summary>
internal sealed class Session(EdgeConnection connection, Func<JoinRequest> self, Func<Backoff> newBackoff, ILogger log)
{
    private const int MinChunkBytes = 1 << 10, MaxChunkBytes = 256 << 10;

    /// <summary>How long a client that starts tries to reach the aggregator.</summary>
    public static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(10);

    private volatile JoinReply _reply = new();

    /// <summary>Whether the aggregator knows of this client, as far as it can be told.</summary>
    public bool IsJoined { get; private set; }

    /// <summary>The site's name, as the token says.</summary>
    public string Site => _reply.Site;

    /// <summary>How long NextTask waits at most.</summary>
    public TimeSpan PollWait => TimeSpan.FromSeconds(Math.Clamp(_reply.PollSeconds, 1, 3600));

    /// <summary>How long the aggregator waits for a word about a task.</summary>
    public TimeSpan Liveness => TimeSpan.FromSeconds(Math.Max(1, _reply.LivenessSeconds));

    /// <summary>How often to say that a task is being worked on.</summary>
    public TimeSpan ReportInterval => TimeSpan.FromSeconds(Math.Clamp(_reply.LivenessSeconds / 3.0, 0.1, 5));

    /// <summary>An update of at most so many bytes goes with one call.</summary>
    public long InlineBytes => _reply.InlineBytes;

    /// <summary>How many bytes go with a chunk.</summary>
    public int ChunkBytes => Math.Clamp(_reply.ChunkBytes, MinChunkBytes, MaxChunkBytes);

    /// <summary>Joins for the first time.</summary>
    /// <exception cref="FedCoreException">The aggregator cannot be reached (<see cref="FaultKind.Unreachable"/>), or does not let this client in.</exception>
    public async Task StartAsync(CancellationToken ct)
    {
        Backoff backoff = newBackoff();
        long start = connection.Clock.GetTimestamp();
        while (true)
        {
            try
            {
                await JoinAsync(ct).ConfigureAwait(false);
                return;
            }
            catch (CallFault fault)
            {
                if (Refusal(fault) is { } refusal) throw refusal;
                TimeSpan delay = backoff.Next();
                if (connection.Clock.GetElapsedTime(start) + delay > StartLimit)
                {
                    throw new FedCoreException(
                        FaultKind.Unreachable, "client.unreachable", $"The aggregator at {connection.Settings.Aggregator} cannot be reached: {fault.Message}. "
                        + "Check client.aggregator, the network, and that the aggregator runs.", fault);
                }

                log.Retrying("Joining", fault.Message, delay.TotalSeconds);
                await backoff.WaitAsync(delay, ct).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Joins.</summary>
    public async Task JoinAsync(CancellationToken ct)
    {
        connection.Token.Read();
        JoinReply reply = await connection.JoinAsync(self(), ct).ConfigureAwait(false);
        if (reply.Site.Length == 0) throw new CallFault("the aggregator does not say which site this is");
        bool isFirst = reply.Site != _reply.Site;
        (_reply, IsJoined) = (reply, true);
        if (isFirst) log.Joined(Shown.Of(reply.Site), connection.Settings.Aggregator);
        else log.JoinedAgain(Shown.Of(reply.Site));
    }

    /// <summary>Takes note that the connection was lost: the aggregator may be another process when it comes back.</summary>
    public void Leave() => IsJoined = false;

    // Where trying again would not help.
    private FedCoreException? Refusal(CallFault fault)
    {
        string aggregator = connection.Settings.Aggregator;
        string? hint = fault.Port switch
        {
            PortFault.NoTls => "what answers there speaks no TLS. Name the port for which the aggregator has a certificate; http:// is for this machine, and for networks where client.allowInsecure is set",
            PortFault.OnlyHttp1 => "what answers there speaks HTTP/1.1 alone, as some proxies do. Set client.web to true",
            _ => null,
        };
        if (hint is not null) return FedCoreException.Configuration("client.aggregator", $"client.aggregator is {aggregator}, but {hint}.", fault);
        if (fault.Distrust is { } distrust)
        {
            return FedCoreException.Configuration(
                "client.certificate", $"The certificate of {aggregator} is not to be trusted: {Shown.Of(distrust.TrimEnd('.'), 400)}. "
                + "Where a private authority has signed it, name that authority's certificate in client.trustedCertificate.", fault);
        }

        if (fault.Code == "protocol.version")
        {
            string served = fault.ServedVersions.Count > 0 ? $"version {string.Join(", ", fault.ServedVersions)}" : "another version";
            string older = fault.ServedVersions.All(version => version > ProtocolVersion.Number) ? "client" : "aggregator";
            return FedCoreException.Configuration(
                fault.Code, $"The aggregator at {aggregator} speaks {served} of the protocol, this client speaks version {ProtocolVersion.Number}. Update the {older}.", fault);
        }

        return fault.Status switch
        {
            StatusCode.Unauthenticated => FedCoreException.Configuration(
                "client.token", $"The aggregator at {aggregator} does not know this token: {fault.Message}. Ask its coordinator for the site's join token, and write it to client.token or into client.tokenFile.", fault),
            StatusCode.Unimplemented => FedCoreException.Configuration(
                "client.aggregator", $"What answers at {aggregator} is no aggregator of FedCore, or one that is behind something which does not let gRPC through: {fault.Message}. "
                + "Check client.aggregator; behind a proxy of HTTP/1.1 set client.web to true.", fault),
            StatusCode.AlreadyExists => FedCoreException.Unreachable(
                fault.Code, $"The aggregator at {aggregator} does not let this client in: {fault.Message}. One that has just gone is waited for until it has been silent for a while.", fault),
            _ when fault.IsTransient => null,
            _ => FedCoreException.Configuration(
                fault.Code.Length > 0 ? fault.Code : "client.refused", $"The aggregator at {aggregator} does not let this client in: {fault.Message}.", fault),
        };
    }
}
