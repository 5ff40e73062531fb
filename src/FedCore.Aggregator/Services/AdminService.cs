using System.Text.Json;
using FedCore.Aggregator.Fleet;
using FedCore.Aggregator.Journal;
using FedCore.Aggregator.Runs;
using FedCore.Aggregator.Telemetry;
using FedCore.Json;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Aggregator.Services;

/// <summary>What coordinators say: <c>fedcore.v1.Admin</c>.</summary>
internal sealed class AdminService(AggregatorParts parts, RunDirectory runs) : Admin.AdminBase
{
    private const int MaxDefinition = 1 << 20;

    public override async Task<Run> CreateRun(CreateRunRequest request, ServerCallContext context)
    {
        if (request.Definition.Length > MaxDefinition) throw RpcFault.Invalid("definition", $"has {request.Definition.Length} bytes, more than {MaxDefinition}.");
        return (await Faulting(() => runs.CreateAsync(request, context.CancellationToken)).ConfigureAwait(false)).Describe();
    }

    public override Task<ListRunsReply> ListRuns(ListRunsRequest request, ServerCallContext context)
    {
        var reply = new ListRunsReply();
        reply.Runs.AddRange(runs.All.Select(run => run.Describe()));
        return Task.FromResult(reply);
    }

    public override Task<Run> GetRun(RunRequest request, ServerCallContext context) => Task.FromResult(Find(request.RunId).Describe());

    public override async Task WatchRun(WatchRunRequest request, IServerStreamWriter<Protocol.V1.RunFact> responseStream, ServerCallContext context)
    {
        RunHost run = Find(request.RunId);
        if (request.AfterSequence < 0) throw RpcFault.Invalid("after_sequence", $"is {request.AfterSequence}, below 0.");
        await Faulting(() => WatchAsync(run, request.AfterSequence, responseStream, context.CancellationToken)).ConfigureAwait(false);
    }

    public override Task<Run> PauseRun(RunRequest request, ServerCallContext context) => HoldAsync(request, true, context);

    public override Task<Run> ResumeRun(RunRequest request, ServerCallContext context) => HoldAsync(request, false, context);

    public override async Task<Run> CancelRun(RunRequest request, ServerCallContext context)
    {
        RunHost run = Find(request.RunId);
        await Faulting(async () =>
        {
            await runs.CancelAsync(run, context.CancellationToken).ConfigureAwait(false);
            return true;
        }).ConfigureAwait(false);
        return run.Describe();
    }

    public override async Task ListReceipts(RunRequest request, IServerStreamWriter<RunReceipt> responseStream, ServerCallContext context)
    {
        RunHost run = Find(request.RunId);
        foreach (RoundReceipt receipt in run.Receipts)
            await responseStream.WriteAsync(new RunReceipt { Round = receipt.Round, Json = JsonSerializer.Serialize(receipt, FedCoreJson.Options(parts.Registry)) }, context.CancellationToken).ConfigureAwait(false);
    }

    public override Task<ListModelsReply> ListModels(RunRequest request, ServerCallContext context)
    {
        var reply = new ListModelsReply();
        reply.Models.AddRange(Find(request.RunId).Models.Kept.Select(model => new StoredModel { Round = model.Round, Model = model.Model.ToMessage() }));
        return Task.FromResult(reply);
    }

    public override Task<ListSitesReply> ListSites(ListSitesRequest request, ServerCallContext context)
    {
        var reply = new ListSitesReply();
        reply.Sites.AddRange(parts.Sites.All.Select(site => new SiteStatus
        {
            Name = site.Name,
            IsConnected = site.IsPresent,
            LastSeenUnixMilliseconds = site.LastSeen?.ToUnixTimeMilliseconds() ?? 0,
            Software = site.Software,
            Cores = site.Cores ?? 0,
            MemoryBytes = site.MemoryBytes ?? 0,
            Activity = site.Tasks is [var task, ..] ? $"{task.Fleet.Run} round {task.Task.Round} {TaskWire.KindOf(task.Task)}" : "",
            IsRevoked = site.TokenHash is null,
            Roster = site.Roster,
            IdentityKey = site.IdentityKey is { } key ? UnsafeByteOperations.UnsafeWrap(key) : ByteString.Empty,
        }));
        return Task.FromResult(reply);
    }

    public override async Task<AddSiteReply> AddSite(AddSiteRequest request, ServerCallContext context)
    {
        string token = await Faulting(() => parts.Sites.AddAsync(request.Name, context.CancellationToken), "name").ConfigureAwait(false);
        Log.SiteChanged(parts.Logger, request.Name);
        return new AddSiteReply { Token = token };
    }

    public override async Task<ReplaceTokenReply> ReplaceToken(ReplaceTokenRequest request, ServerCallContext context)
    {
        string? token = await Faulting(() => parts.Sites.ReplaceTokenAsync(request.Name, request.Revoke, context.CancellationToken), "name").ConfigureAwait(false);
        if (token is null)
            foreach (RemoteTask task in parts.Sites.Find(request.Name)!.Tasks) task.Fleet.Fail(task, ClientOutcome.Lost, "client.revoked");
        Log.SiteChanged(parts.Logger, request.Name);
        return new ReplaceTokenReply { Token = token ?? "" };
    }

    private async Task<long> WatchAsync(RunHost run, long sent, IServerStreamWriter<Protocol.V1.RunFact> responseStream, CancellationToken ct)
    {
        while (true)
        {
            // Asked before the reading: what is written while it is read is found the next time.
            Task changed = run.Changed;
            bool hasEnded = run.HasEnded;
            await foreach (LoggedEvent fact in parts.Log.ReadAsync(Runs.RunFact.StreamOf(run.Id), sent, ct).ConfigureAwait(false))
            {
                sent = fact.Sequence;
                var message = new Protocol.V1.RunFact { Sequence = fact.Sequence, UnixMilliseconds = fact.At.ToUnixTimeMilliseconds(), Kind = fact.Kind, Json = fact.Json };
                await responseStream.WriteAsync(message, ct).ConfigureAwait(false);
            }

            if (hasEnded) return sent;
            await changed.WaitAsync(ct).ConfigureAwait(false);
        }
    }

    private async Task<Run> HoldAsync(RunRequest request, bool paused, ServerCallContext context)
    {
        RunHost run = Find(request.RunId);
        await Faulting(async () =>
        {
            await runs.HoldAsync(run, paused, context.CancellationToken).ConfigureAwait(false);
            return true;
        }).ConfigureAwait(false);
        return run.Describe();
    }

    private RunHost Find(string run) => runs.Find(run) ?? throw RpcFault.Of(StatusCode.NotFound, "run.unknown", $"There is no run '{Shown.Of(run)}'.", "run_id");

    private static async Task<T> Faulting<T>(Func<Task<T>> work, string field = "")
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (FedCoreException fault)
        {
            throw RpcFault.From(fault, field);
        }
    }
}
