using System.Security.Cryptography;
using System.Text.RegularExpressions;
using FedCore.Aggregator.Fleet;
using FedCore.Aggregator.Runs;
using FedCore.Aggregator.Settings;
using FedCore.Aggregator.Sites;
using FedCore.Aggregator.Telemetry;
using FedCore.Hosting.Telemetry;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Suites;
using Grpc.Core;

namespace FedCore.Aggregator.Services;

/// <summary>What sites say: <c>fedcore.v1.Edge</c>.</summary>
internal sealed partial class EdgeService(AggregatorParts parts, RunDirectory runs, UploadDesk uploads) : Edge.EdgeBase
{
    private const int MaxListed = 1000, MaxSoftware = 100, MaxRoster = 120;

    /// <summary>How many bytes of an update a site sends at once.</summary>
    public const int ChunkBytes = 1 << 18;

    /// <summary>The longest message: a chunk, or the definition of a run, with what goes around it.</summary>
    public const int MaxMessageBytes = (1 << 20) + (64 << 10);

    private AggregatorSettings Settings => parts.Settings;

    public override async Task<JoinReply> Join(JoinRequest request, ServerCallContext context)
    {
        Site site = Caller.SiteOf(context);
        if (request.Software.Length > MaxSoftware) throw RpcFault.Invalid("software", $"has {request.Software.Length} characters, more than {MaxSoftware}.");
        if (request.Cores < 0) throw RpcFault.Invalid("cores", $"is {request.Cores}, below 0.");
        if (request.MemoryBytes < 0) throw RpcFault.Invalid("memory_bytes", $"is {request.MemoryBytes}, below 0.");
        if (request.Roster.Length > MaxRoster) throw RpcFault.Invalid("roster", $"has {request.Roster.Length} characters, more than {MaxRoster}.");
        if (!request.IdentityKey.IsEmpty) await IdentifyAsync(site, request, context.CancellationToken).ConfigureAwait(false);
        site.Describe(Shown.Of(request.Software, MaxSoftware), request.Cores > 0 ? request.Cores : null, request.MemoryBytes > 0 ? request.MemoryBytes : null);
        Log.SiteJoined(parts.Logger, site.Name, site.Software, site.Cores, site.MemoryBytes);
        return new JoinReply
        {
            Site = site.Name,
            PollSeconds = Settings.PollSeconds,
            LivenessSeconds = Settings.LivenessSeconds,
            InlineBytes = Settings.InlineBytes,
            ChunkBytes = ChunkBytes,
        };
    }

    public override async Task<NextTaskReply> NextTask(NextTaskRequest request, ServerCallContext context)
    {
        Site site = Caller.SiteOf(context);
        RequireFew("tasks_at_hand", request.TasksAtHand.Count);
        RequireFew("unsettled_tasks", request.UnsettledTasks.Count);
        RequireFew("cached_digests", request.CachedDigests.Count);
        RequireFew("kept_runs", request.KeptRuns.Count);
        foreach (string id in request.TasksAtHand) RequireTaskId(id, "tasks_at_hand");
        foreach (KeptRun kept in request.KeptRuns) RequireRun(kept);

        // Until the runs of an earlier process are taken up, nobody can say what is wanted.
        await runs.Settled.WaitAsync(context.CancellationToken).ConfigureAwait(false);
        NextTaskReply reply = Standing(site, request);
        bool hasNews = reply.Settlements.Count + reply.UnwantedTasks.Count + reply.EndedRuns.Count > 0;
        foreach (string id in request.TasksAtHand) parts.Board.Find(id, site)?.Hear(parts.Clock.GetTimestamp());
        RemoteTask? task = await site.NextAsync(request.TasksAtHand, hasNews ? TimeSpan.Zero : PollTime(), context.CancellationToken).ConfigureAwait(false);
        Caller.Recheck(context);
        if (task is null) return hasNews ? reply : Standing(site, request);
        task.Hear(parts.Clock.GetTimestamp());
        reply.Task = TaskWire.OfferOf(task, request.CachedDigests);
        parts.Metrics.Sent(reply.Task.ModelContent.Length);
        if (task.Offer() is { } activity) context.ResponseTrailers.Add(FedCoreTelemetry.ParentField, activity);
        Log.TaskOffered(parts.Logger, site.Name, task.Id, task.Fleet.Run, task.Task.Round);
        return reply;
    }

    public override async Task<ProgressReply> ReportProgress(ProgressRequest request, ServerCallContext context)
    {
        RemoteTask? task = await FindAsync(request.TaskId, context).ConfigureAwait(false);
        task?.Hear(parts.Clock.GetTimestamp());
        return new ProgressReply { IsUnwanted = task is not ({ IsOpen: true } or { IsHeld: true }) };
    }

    public override async Task<DeclineReply> DeclineTask(DeclineRequest request, ServerCallContext context)
    {
        if (!ReasonPattern().IsMatch(request.Reason)) throw RpcFault.Invalid("reason", "must be lower-case letters, digits, dots and hyphens, at most 64.");
        if (await FindAsync(request.TaskId, context).ConfigureAwait(false) is { } task)
        {
            Log.TaskDeclined(parts.Logger, task.Site.Name, task.Id, task.Fleet.Run, request.Reason);
            task.Fleet.Fail(task, ClientOutcome.Declined, request.Reason);
        }

        return new DeclineReply();
    }

    public override Task<UploadState> FindUpload(UploadHead request, ServerCallContext context) => uploads.FindAsync(Caller.SiteOf(context), request, context.CancellationToken);

    /// <summary>Refuses what is not a task's name.</summary>
    public static void RequireTaskId(string id, string field)
    {
        if (!TaskIdPattern().IsMatch(id)) throw RpcFault.Invalid(field, "must be 32 lower-case hexadecimal digits.");
    }

    private async Task IdentifyAsync(Site site, JoinRequest request, CancellationToken ct)
    {
        try
        {
            SecureAggregationSuites.Default.ImportPeer(request.IdentityKey.Span).Dispose();
        }
        catch (CryptographicException)
        {
            throw RpcFault.Invalid("identity_key", "is no point of P-256.");
        }

        Roster? roster = ReadRoster();
        try
        {
            await parts.Sites.IdentifyAsync(site, request.IdentityKey.Memory, Shown.Of(request.Roster, MaxRoster), roster, ct).ConfigureAwait(false);
        }
        catch (FedCoreException fault)
        {
            throw RpcFault.From(fault, "identity_key");
        }
    }

    // It is the operator's to mend here, not the site's there.
    private Roster? ReadRoster()
    {
        try
        {
            return parts.Roster?.Read();
        }
        catch (FedCoreException fault)
        {
            Log.RosterNotRead(parts.Logger, fault.Code, fault.Message);
            throw RpcFault.Of(StatusCode.Unavailable, "roster.away", "The aggregator cannot read its roster. Join again later; its operator finds the reason in its log.");
        }
    }

    private static void RequireFew(string field, int count)
    {
        if (count > MaxListed) throw RpcFault.Invalid(field, $"has {count} elements, more than {MaxListed}.");
    }

    private static void RequireRun(KeptRun run)
    {
        if (!RunDirectory.IsName(run.RunId)) throw RpcFault.Invalid("kept_runs.run_id", "must be a run's name: lower-case letters, digits and hyphens, at most 63, the first a letter.");
        if (run.DefinitionDigest.Length != SHA256.HashSizeInBytes)
            throw RpcFault.Invalid("kept_runs.definition_digest", $"has {run.DefinitionDigest.Length} bytes; a SHA-256 has {SHA256.HashSizeInBytes}.");
    }

    private async ValueTask<RemoteTask?> FindAsync(string id, ServerCallContext context)
    {
        Site site = Caller.SiteOf(context);
        RequireTaskId(id, "task_id");
        if (parts.Board.Find(id, site) is { } task) return task;

        // Until the runs of an earlier process are taken up, nobody can say what is wanted.
        await runs.Settled.WaitAsync(context.CancellationToken).ConfigureAwait(false);
        return parts.Board.Find(id, site);
    }

    // What can be said without a task.
    private NextTaskReply Standing(Site site, NextTaskRequest request)
    {
        var reply = new NextTaskReply();

        foreach (string id in request.TasksAtHand)
            if (parts.Board.Find(id, site) is not { IsWanted: true }) reply.UnwantedTasks.Add(id);
        foreach (UnsettledTask task in request.UnsettledTasks)
        {
            // Of a run in which the site takes no part it hears as of one that there is not.
            bool? counts = runs.Find(task.RunId) is not { } run || !run.Sites.Contains(site) ? false
                : task.IsEvaluation ? (parts.Board.Find(task.TaskId, site) is null ? false : null)
                : run.SettlementOf(site.Name, task.Round, task.Position);
            if (counts is not null) reply.Settlements.Add(new Settlement { TaskId = task.TaskId, Counts = counts.Value });
        }

        // However often one is named, it is looked for once.
        reply.EndedRuns.AddRange(request.KeptRuns.Distinct().Where(kept => runs.IsOver(kept.RunId, kept.DefinitionDigest.Span, site)));
        return reply;
    }

    // So that clients that came at once do not come back at once.
    private TimeSpan PollTime() => TimeSpan.FromMilliseconds(RandomNumberGenerator.GetInt32(Settings.PollSeconds * 800, Settings.PollSeconds * 1000 + 1));

    [GeneratedRegex(@"^[0-9a-f]{32}\z")]
    private static partial Regex TaskIdPattern();

    [GeneratedRegex(@"^[a-z0-9.-]{1,64}\z")]
    private static partial Regex ReasonPattern();
}
