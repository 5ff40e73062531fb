using System.Buffers;
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using FedCore.Cli.Display;
using FedCore.Cli.Service;
using FedCore.Naming;
using FedCore.Naming.PlugIns;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.Simulation;
using FedCore.Training;
using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore run</c>: the runs of an aggregator.</summary>
internal static class RunCommand
{
    private const int ChunkBytes = 256 * 1024;

    public static Command Create(TextWriter output) => new("run", "The runs of an aggregator: define them, watch them, hold them.")
    {
        CreateCreate(output),
        CreateList(output),
        CreateWatch(output),
        CreateChange(output, "pause", "Holds a run before its next round. A round that is open is held to its end.", (admin, request, ct) => admin.PauseRunAsync(request, cancellationToken: ct)),
        CreateChange(output, "resume", "Lets a paused run go on.", (admin, request, ct) => admin.ResumeRunAsync(request, cancellationToken: ct)),
        CreateChange(output, "cancel", "Ends a run at once, for good.", (admin, request, ct) => admin.CancelRunAsync(request, cancellationToken: ct)),
        CreateReceipt(output),
    };

    /// <summary>A run as a line of JSON.</summary>
    public static string ToJson(Run run) => JsonSerializer.Serialize(new
    {
        run = run.RunId,
        hash = "sha256:" + Convert.ToHexStringLower(run.Hash.Span),
        phase = run.Phase.ToString().ToLowerInvariant(),
        message = run.Message,
        end = run.EndCode.Length > 0 ? run.EndCode : null,
        round = run.Round,
        rounds = run.Rounds,
        metrics = run.Metrics,
        modelDigest = run.Model is null ? null : ModelCommand.DigestOf(run.Model),
        sites = run.Sites,
    });

    private static ExampleCommand CreateCreate(TextWriter output)
    {
        var file = new Argument<string>("RUN.json") { Description = "The run file. Its \"simulation\" section is passed over." };
        var name = new Option<string?>("--name") { Description = "How the run is called; otherwise as the run file says, with hyphens.", HelpName = "NAME" };
        var sites = new Option<string?>("--sites") { Description = "The sites that take part, in cohort order, with commas between; otherwise all.", HelpName = "A,B" };
        var set = new Option<string[]>("--set") { Description = "Change a value of the run file, such as --set strategy.mu=0.1. May be given several times.", HelpName = "path=value" };
        var seed = NumberOption.Create<long>("--seed", "The run's seed; short for --set seed=N.");
        var plugIn = new Option<string[]>("--plug-in") { Description = "A plug-in's assembly whose strategy or other parts the run file names; the aggregator and the clients list it in their settings. May be given several times.", HelpName = "FILE" };
        var watch = new Option<bool>("--watch") { Description = "Watch it to its end." };
        AdminConnection.Options options = AdminConnection.Options.New();
        var command = new ExampleCommand("create", "Defines a run. It starts as soon as enough of its sites are connected.", "fedcore run create examples/heart-disease/run.json --watch") { file, name, sites, set, seed, plugIn, watch };
        options.AddTo(command);
        command.SetAction(async (parsed, ct) =>
        {
            string path = parsed.GetValue(file)!;
            string[] assignments = [.. parsed.GetValue(set) ?? [], .. parsed.GetValue(seed) is { } number ? [string.Create(CultureInfo.InvariantCulture, $"seed={number}")] : Array.Empty<string>()];
            Registry registry = Registry.CreateDefault().AddTraining();
            registry.LoadPlugIns([.. (parsed.GetValue(plugIn) ?? []).Select(assembly => new PlugInReference { Path = assembly })], Directory.GetCurrentDirectory(), "--plug-in");
            RunDefinition definition = RunFile.LoadRun(path, assignments, registry);
            RunPlan plan = RunPlan.Create(definition, registry);
            using AdminConnection connection = options.Connect(parsed);
            var request = new CreateRunRequest { RunId = parsed.GetValue(name) ?? NameOf(definition.Name), Definition = UnsafeByteOperations.UnsafeWrap(plan.CanonicalBytes) };
            if (parsed.GetValue(sites) is { } listed) request.Sites.AddRange(SitesIn(listed));
            if (definition.Start is { } start) request.Start = await connection.CallAsync(c => PutAsync(c, Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, start.Path), ct), ct);
            Run run = await connection.CallAsync(c => c.Admin.CreateRunAsync(request, cancellationToken: ct).ResponseAsync, ct);
            bool json = parsed.GetValue(options.Json);
            await output.WriteLineAsync(json ? ToJson(run) : $"The run {run.RunId} was created: {plan.Hash}. Watch it with: fedcore run watch {run.RunId}");
            return parsed.GetValue(watch) ? await RunWatch.ToEndAsync(connection, run.RunId, json, output, ct) : 0;
        });
        return command;
    }

    private static ExampleCommand CreateList(TextWriter output)
    {
        AdminConnection.Options options = AdminConnection.Options.New();
        var command = new ExampleCommand("list", "Lists the runs.", "fedcore run list");
        options.AddTo(command);
        command.SetAction(async (parsed, ct) =>
        {
            using AdminConnection connection = options.Connect(parsed);
            ListRunsReply reply = await connection.CallAsync(c => c.Admin.ListRunsAsync(new ListRunsRequest(), cancellationToken: ct).ResponseAsync, ct);
            if (parsed.GetValue(options.Json))
                foreach (Run run in reply.Runs) await output.WriteLineAsync(ToJson(run));
            else
                TextTable.Write(
                    output, ["run", "phase", "round", "what"],
                    reply.Runs.Select(run => (string[])[run.RunId, run.Phase.ToString().ToLowerInvariant(), $"{run.Round} of {run.Rounds}", Shown.Of(run.Message, 100)]),
                    "There are no runs. Define one with: fedcore run create RUN.json");
            return 0;
        });
        return command;
    }

    private static ExampleCommand CreateWatch(TextWriter output)
    {
        var name = new Argument<string>("RUN") { Description = "The run's name." };
        AdminConnection.Options options = AdminConnection.Options.New();
        var command = new ExampleCommand("watch", "Shows what happens in a run, from its beginning, until it ends.", "fedcore run watch heart-disease") { name };
        options.AddTo(command);
        command.SetAction(async (parsed, ct) =>
        {
            using AdminConnection connection = options.Connect(parsed);
            return await RunWatch.ToEndAsync(connection, parsed.GetValue(name)!, parsed.GetValue(options.Json), output, ct);
        });
        return command;
    }

    private static ExampleCommand CreateChange(TextWriter output, string verb, string description, Func<Admin.AdminClient, RunRequest, CancellationToken, AsyncUnaryCall<Run>> change)
    {
        var name = new Argument<string>("RUN") { Description = "The run's name." };
        AdminConnection.Options options = AdminConnection.Options.New();
        var command = new ExampleCommand(verb, description, $"fedcore run {verb} heart-disease") { name };
        options.AddTo(command);
        command.SetAction(async (parsed, ct) =>
        {
            using AdminConnection connection = options.Connect(parsed);
            Run run = await connection.CallAsync(c => change(c.Admin, new RunRequest { RunId = parsed.GetValue(name) }, ct).ResponseAsync, ct);
            await output.WriteLineAsync(parsed.GetValue(options.Json) ? ToJson(run) : $"{run.RunId}: {run.Phase.ToString().ToLowerInvariant()}, {run.Message}");
            return 0;
        });
        return command;
    }

    private static ExampleCommand CreateReceipt(TextWriter output)
    {
        var name = new Argument<string>("RUN") { Description = "The run's name." };
        var round = NumberOption.Create<int>("--round", "One round; otherwise all that ended.");
        AdminConnection.Options options = AdminConnection.Options.New();
        var command = new ExampleCommand("receipt", "Prints the receipts of a run's rounds as JSON, one a line: who was asked, answered, was left out, and why.", "fedcore run receipt heart-disease --round 3") { name, round };
        options.AddTo(command);
        command.SetAction(async (parsed, ct) =>
        {
            using AdminConnection connection = options.Connect(parsed);
            var request = new RunRequest { RunId = parsed.GetValue(name) };
            int? wanted = parsed.GetValue(round);
            bool isThere = await connection.CallAsync(
                async c =>
                {
                    bool found = wanted is null;
                    await foreach (RunReceipt receipt in c.Admin.ListReceipts(request, cancellationToken: ct).ResponseStream.ReadAllAsync(ct))
                    {
                        if (wanted is not null && wanted != receipt.Round) continue;
                        found = true;
                        await output.WriteLineAsync(receipt.Json);
                    }

                    return found;
                },
                ct);
            return isThere ? 0 : throw FedCoreException.Configuration("receipt.unknown", $"The run {request.RunId} has no receipt of round {wanted}. Without --round all are printed that there are.");
        });
        return command;
    }

    private static async Task<Blob> PutAsync(AdminConnection connection, string path, CancellationToken ct)
    {
        byte[] buffer = new byte[ChunkBytes];
        using AsyncClientStreamingCall<Chunk, Blob> call = connection.Blobs.Put(new CallOptions(cancellationToken: ct));
        await using FileStream file = File.OpenRead(path);
        int count;
        while ((count = await file.ReadAsync(buffer, ct)) > 0) await call.RequestStream.WriteAsync(new Chunk { Data = new ReadOnlySequence<byte>(buffer, 0, count) }, ct);
        await call.RequestStream.CompleteAsync();
        return await call.ResponseAsync;
    }

    private static string[] SitesIn(string list) => list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) is { Length: > 0 } names ? names : throw new FedCoreException(
        FaultKind.Usage, "run.sites", $"--sites is '{Shown.Of(list)}', which names no site. Write the names with commas between, or leave the option out for all sites.");

    private static string NameOf(string title)
    {
        string name = string.Concat(title.ToLowerInvariant().Select(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) ? c : '-')).Trim('-');
        return name.Length > 63 ? name[..63] : name;
    }
}
