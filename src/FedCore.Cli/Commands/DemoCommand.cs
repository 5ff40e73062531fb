using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using FedCore.Cli.Demo;
using FedCore.Cli.Display;
using FedCore.Cli.Service;
using FedCore.Json;
using FedCore.Models;
using FedCore.Naming;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.Simulation;
using FedCore.Simulation.Reporting;
using FedCore.Strategies;
using FedCore.Training.Data;
using FedCore.Training.Data.Datasets;
using Google.Protobuf;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore demo</c>: an aggregator and four hospitals as real processes on this machine.</summary>
internal static class DemoCommand
{
    private const string RunId = "demo", Marker = ".fedcore-demo";

    public static Command Create(TextWriter output, TextWriter error)
    {
        var folder = new Option<string>("--out") { Description = "The folder for everything. What an earlier demo left there is dropped.", HelpName = "DIR", DefaultValueFactory = _ => Path.Combine("out", "demo") };
        var set = new Option<string[]>("--set") { Description = "Change a value of the run, such as --set rounds.count=50. May be given several times.", HelpName = "path=value" };
        var json = new Option<bool>("--json") { Description = "No display; a receipt a line, and a line with the result at the end." };
        var command = new ExampleCommand(
            "demo", "Trains a model across four hospitals: an aggregator and four clients as processes of their own, which speak over loopback.", "fedcore demo --set strategy.type=fedprox") { folder, set, json };
        command.SetAction((parsed, ct) => RunAsync(parsed.GetValue(folder)!, parsed.GetValue(set) ?? [], parsed.GetValue(json), output, error, ct));
        return command;
    }

    private static async Task<int> RunAsync(string folder, string[] assignments, bool json, TextWriter output, TextWriter error, CancellationToken ct)
    {
        long start = Stopwatch.GetTimestamp();
        folder = Clear(folder);
        IReadOnlyList<DemoHospital> hospitals = DemoFiles.Write(folder);
        Registry registry = Registry.CreateDefault().AddSimulation();
        RunFile file = RunFile.Load(Path.Combine(folder, DemoFiles.RunFile), assignments, registry);
        RunPlan plan = RunPlan.Create(file.Run, registry);
        IFederatedData data = await FederatedSimulation.LoadAsync(plan, file.Simulation, new DataFolders(file.Folder, null, new DatasetStore()), ct);
        plan.CheckPopulation(data.ClientCount);

        using RunDisplay display = RunDisplay.Create(plan, json, output, areReal: true);
        using var stopped = CancellationTokenSource.CreateLinkedTokenSource(ct);
        await using DemoService service = await DemoService.StartAsync(folder, hospitals, display.Say, ct);
        if (!json) await output.WriteLineAsync($"An aggregator at {service.Address} and {hospitals.Count} hospitals: {string.Join(", ", hospitals.Select(hospital => hospital.Name))}. Each is a process of its own.\n");
        Task<RunState> running = WatchAsync(service.Connection, plan, hospitals, display, json || display.IsLive ? TextWriter.Null : output, stopped.Token);
        if (await Task.WhenAny(running, service.Broken) != running)
        {
            await stopped.CancelAsync();
            await running.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            ct.ThrowIfCancellationRequested();
            throw await await service.Broken;
        }

        RunState state = await running;
        display.Dispose();
        if (state.Ended is not { IsSuccess: true } end) throw FedCoreException.RunFailed(state.Ended!.Code, $"The run has failed: {state.Ended.Message}. The logs are in {folder}.");
        using ServerState server = await FetchAsync(service.Connection, plan, folder, ct);
        using var result = new SimulationResult(end, state, server) { Definition = file.Simulation };
        using ResultFolder results = ResultFolder.Open(folder, plan, InterruptedRun.Drop, TimeSpan.Zero);
        results.Complete(result, data);
        string digest = server.Model.Digest(plan.ModelMetadata);
        bool isSame = digest == await SimulateAsync(plan, file, data, ct);
        if (json)
        {
            foreach (RoundReceipt receipt in state.Rounds) await output.WriteLineAsync(JsonSerializer.Serialize(receipt, FedCoreJson.Options(registry)));
            await output.WriteLineAsync(JsonSerializer.Serialize(new
            {
                run = plan.Hash,
                rounds = state.LastRound,
                metrics = result.Metrics,
                modelDigest = digest,
                sameAsSimulation = isSame,
                seconds = Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 3),
                report = Path.Combine(folder, "report.html"),
            }));
        }
        else
        {
            ResultTable.Write(output, plan, result, folder, Stopwatch.GetElapsedTime(start));
            ReceiptTable.Write(output, state, Path.Combine(folder, "receipts.jsonl"));
            await output.WriteLineAsync($"\n  The model is {digest},\n  {(isSame ? "to the last bit what a simulation of the same run ends with" : "which is NOT what a simulation of the same run ends with")}: fedcore simulate {Path.Combine(folder, DemoFiles.RunFile)}");
        }

        if (isSame) return 0;
        await error.WriteLineAsync("fedcore: the service and the simulation differ. Please report it with the folder of the demo.");
        return (int)FaultKind.RunFailed;
    }

    // Only what a demo has left is dropped.
    private static string Clear(string folder)
    {
        folder = Path.GetFullPath(folder);
        try
        {
            string marker = Path.Combine(folder, Marker);
            if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
            {
                if (!File.Exists(marker)) throw FedCoreException.Configuration("demo.out", $"{Shown.Of(folder, 400)} has files that no demo has left there. Choose an empty folder: --out DIR.");
                Directory.Delete(folder, recursive: true);
            }

            Directory.CreateDirectory(folder);
            File.WriteAllText(marker, "The folder of a demo: the next one drops what is in it.\n");
            return folder;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw FedCoreException.Configuration("demo.out", $"{Shown.Of(folder, 400)} cannot be written to ({fault.Message.TrimEnd('.')}). Choose another folder: --out DIR.", fault);
        }
    }

    private static async Task<RunState> WatchAsync(AdminConnection connection, RunPlan plan, IReadOnlyList<DemoHospital> hospitals, RunDisplay display, TextWriter lines, CancellationToken ct)
    {
        var request = new CreateRunRequest { RunId = RunId, Definition = UnsafeByteOperations.UnsafeWrap(plan.CanonicalBytes) };
        request.Sites.AddRange(hospitals.Select(hospital => hospital.Name));
        await connection.CallAsync(c => c.Admin.CreateRunAsync(request, cancellationToken: ct).ResponseAsync, ct);
        var state = new RunState();
        await foreach ((RunEvent fact, _) in RunWatch.FactsAsync(connection, RunId, plan.Registry, ct))
        {
            state.Apply(fact);
            display.Report(fact);
            if (RunWatch.Line(fact) is { } line) await lines.WriteLineAsync(line);
        }

        return state;
    }

    private static async Task<ServerState> FetchAsync(AdminConnection connection, RunPlan plan, string folder, CancellationToken ct)
    {
        string path = Path.Combine(folder, "model.safetensors");
        Run run = await connection.CallAsync(c => c.Admin.GetRunAsync(new RunRequest { RunId = RunId }, cancellationToken: ct).ResponseAsync, ct);
        await ModelCommand.GetAsync(connection, run.Model, path, ct);
        var model = new ModelState(plan.Model.Schema);
        await using FileStream stream = File.OpenRead(path);
        SafeTensors.Read(stream, model);
        return new ServerState(model);
    }

    private static async Task<string> SimulateAsync(RunPlan plan, RunFile file, IFederatedData data, CancellationToken ct)
    {
        using SimulationResult simulated = await FederatedSimulation.RunAsync(plan, data, new SimulationOptions { Definition = file.Simulation }, ct);
        return simulated.Server.Model.Digest(plan.ModelMetadata);
    }
}
