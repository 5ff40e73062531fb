using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using FedCore.Cli.Display;
using FedCore.Models;
using FedCore.Naming;
using FedCore.Privacy;
using FedCore.Rounds;
using FedCore.Simulation;
using FedCore.Simulation.Reporting;
using FedCore.Training.Data;
using FedCore.Training.Data.Datasets;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore simulate RUN.json</c>: a federated run on this machine.</summary>
internal static class SimulateCommand
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var file = new Argument<string>("RUN.json") { Description = "The run file, with a \"simulation\" section." };
        var data = new Option<string?>("--data") { Description = "A folder in which data files are looked for first.", HelpName = "DIR" };
        var set = new Option<string[]>("--set")
        {
            Description = "Change a value of the run file, such as --set strategy.mu=0.1. May be given several times.",
            HelpName = "path=value",
        };
        var seed = NumberOption.Create<long>("--seed", "The run's seed; short for --set seed=N.");
        var threads = new Option<int>("--threads")
        {
            Description = "Threads that train at once. The result does not depend on it.",
            HelpName = "N",
            DefaultValueFactory = _ => Environment.ProcessorCount,
        };
        var folder = new Option<string?>("--out") { Description = "Write metrics, receipts, the model and a report to this folder.", HelpName = "DIR" };
        var resume = new Option<bool>("--resume") { Description = "Go on with the run that was interrupted in --out." };
        var restart = new Option<bool>("--restart") { Description = "Drop the run that was interrupted in --out and start anew." };
        var checkpoint = new Option<double>("--checkpoint-seconds")
        {
            Description = "The least time between checkpoints in --out.",
            HelpName = "S",
            DefaultValueFactory = _ => 5,
        };
        var json = new Option<bool>("--json") { Description = "No display; one line of JSON at the end." };
        Limit(threads, 1, 1024);
        foreach (Option<string?> path in (Option<string?>[])[data, folder]) RequirePath(path);
        Limit(checkpoint, 0, 86_400);

        var command = new ExampleCommand(
            "simulate",
            "Runs a federated run on this machine, with simulated clients.",
            "fedcore simulate examples/hospitals/run.json --out out/hospitals --set rounds.count=50")
        {
            file, data, set, seed, threads, folder, resume, restart, checkpoint, json,
        };
        command.Validators.Add(result =>
        {
            if ((result.GetValue(resume) || result.GetValue(restart)) && result.GetValue(folder) is null)
                result.AddError("--resume and --restart need --out, the folder of the interrupted run.");
            if (result.GetValue(resume) && result.GetValue(restart)) result.AddError("--resume and --restart exclude each other.");
        });
        command.SetAction((parsed, ct) =>
        {
            string[] assignments = [.. parsed.GetValue(set) ?? [], .. parsed.GetValue(seed) is { } number ? [string.Create(CultureInfo.InvariantCulture, $"seed={number}")] : Array.Empty<string>()];
            var request = new Request(
                parsed.GetValue(file)!, parsed.GetValue(data), assignments, parsed.GetValue(threads), parsed.GetValue(folder),
                parsed.GetValue(resume) ? InterruptedRun.Resume : parsed.GetValue(restart) ? InterruptedRun.Drop : InterruptedRun.Refuse,
                TimeSpan.FromSeconds(parsed.GetValue(checkpoint)), parsed.GetValue(json));
            return RunAsync(request, output, error, ct);
        });
        return command;
    }

    // What is no number at all is refused by the parser itself.
    private static void Limit(Option option, double minimum, double maximum) => option.Validators.Add(result =>
    {
        string text = string.Concat(result.Tokens.Select(token => token.Value));
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && (value < minimum || value > maximum))
            result.AddError($"{option.Name} is {text}: it must be {(value < minimum ? $"at least {minimum}" : $"at most {maximum}")}.");
    });

    private static void RequirePath(Option<string?> option) => option.Validators.Add(result =>
    {
        if (result.Tokens is [{ Value: var path }] && (path.Length == 0 || path.Contains('\0', StringComparison.Ordinal)))
            result.AddError($"{option.Name} is '{Shown.Of(path)}': it must be a folder.");
    });

    private static async Task<int> RunAsync(Request request, TextWriter output, TextWriter error, CancellationToken ct)
    {
        long start = Stopwatch.GetTimestamp();
        Registry registry = Registry.CreateDefault().AddSimulation();
        RunFile file = RunFile.Load(request.File, request.Assignments, registry);
        RunPlan plan = Locate(file.Path, () => RunPlan.Create(file.Run, registry));
        var folders = new DataFolders(file.Folder, request.DataFolder, new DatasetStore());
        using RunDisplay display = RunDisplay.Create(plan, request.Json, output);
        display.Say("reading the data");
        IFederatedData data = await LoadAsync(plan, file, folders, ct);
        Locate(file.Path, () => plan.CheckPopulation(data.ClientCount));
        string? warning = plan.Privacy?.WarningFor(PrivacyUnit.Client, data.ClientCount) ?? plan.Privacy?.WarningFor(PrivacyUnit.Example, LargestOf(data));
        if (warning is not null) await error.WriteLineAsync($"fedcore: warning: privacy.{warning}");
        if ((data as PartitionedData)?.UnfitCount is > 0 and var unfit) await error.WriteLineAsync($"fedcore: warning: {unfit} records do not fit what the run says of its data. It promises privacy, so they count as none, as they would at a site.");
        using ModelState? initial = file.LoadStart(plan);
        using ResultFolder? results = request.Out is null ? null : ResultFolder.Open(request.Out, plan, request.Interrupted, request.CheckpointInterval);
        var options = new SimulationOptions
        {
            Threads = request.Threads,
            Devices = file.Simulation.Devices,
            Stragglers = file.Simulation.Stragglers,
            Attackers = file.Simulation.Attackers,
            SecureAggregation = file.Simulation.SecureAggregation,
            InitialModel = initial,
            Journal = results?.Journal as IRunJournal ?? new NoJournal(),
            Checkpoints = results?.Checkpoints,
            ClientStateFolder = results?.WorkingFolder,
            Environment = results is null ? "" : FederatedSimulation.EnvironmentOf(plan, file.Simulation, data, initial),
            Progress = display,
            ClientProgress = display,
            Definition = file.Simulation,
        };
        try
        {
            using SimulationResult result = await FederatedSimulation.RunAsync(plan, data, options, ct);
            results?.Complete(result, data);
            display.Dispose();
            if (request.Json) await output.WriteLineAsync(Summary(plan, result, start));
            else ResultTable.Write(output, plan, result, results?.Path, Stopwatch.GetElapsedTime(start));
            return 0;
        }
        catch (OperationCanceledException) when (results is not null)
        {
            display.Dispose();
            await error.WriteLineAsync($"fedcore: interrupted. Go on with the same command and --resume.");
            return 130;
        }
        catch (FedCoreException fault) when (fault.Kind == FaultKind.RunFailed)
        {
            results?.Drop();
            throw;
        }
    }

    // Of very many clients the first stand for all.
    private static int LargestOf(IFederatedData data) => Enumerable.Range(0, (int)Math.Min(data.ClientCount, 10_000)).Max(client => data.TrainCountOf(client));

    private static async Task<IFederatedData> LoadAsync(RunPlan plan, RunFile file, DataFolders folders, CancellationToken ct)
    {
        try
        {
            return await FederatedSimulation.LoadAsync(plan, file.Simulation, folders, ct);
        }
        catch (FedCoreException fault) when (fault.Code is "data.partition" or "data.contract" or "data.synthetic" or "data.source" or "data.not-found"
            or "data.unknown" or "data.label" or "data.shape" or "simulation.data")
        {
            // Other faults of data name the data's own file.
            throw FedCoreException.Configuration(fault.Code, $"{file.Path}: {fault.Message}", fault);
        }
    }

    // The plan's own messages name the place in the file, but not the file.
    private static T Locate<T>(string path, Func<T> check)
    {
        try
        {
            return check();
        }
        catch (FedCoreException fault) when (fault.Kind == FaultKind.Configuration)
        {
            throw FedCoreException.Configuration(fault.Code, $"{path}: {fault.Message}", fault);
        }
    }

    private static void Locate(string path, Action check) => Locate(path, () =>
    {
        check();
        return true;
    });

    private static string Summary(RunPlan plan, SimulationResult result, long start)
    {
        using var process = Process.GetCurrentProcess();
        RunState state = result.State;
        return JsonSerializer.Serialize(
            new
            {
                run = plan.Hash,
                rounds = state.LastRound,
                metrics = result.Metrics,
                clients = (state.Evaluations.Count > 0 ? state.Evaluations[^1].Distributions : new Dictionary<string, ClientDistribution>())
                    .ToDictionary(d => d.Key, d => new { worst10 = d.Value.Worst10, median = d.Value.Median, best10 = d.Value.Best10 }),
                privacy = state.Rounds.LastOrDefault(round => round.Privacy is not null)?.Privacy is { } spent
                    ? new { delta = spent.Delta, recipients = spent.Spent.Single(one => one.Adversary == PrivacyAdversary.Recipients).Epsilon, aggregator = spent.Spent.Single(one => one.Adversary == PrivacyAdversary.Aggregator).Epsilon }
                    : null,
                bytesUp = state.Rounds.Sum(r => r.BytesUp) + state.Evaluations.Sum(e => e.BytesUp),
                bytesDown = state.Rounds.Sum(r => r.BytesDown) + state.Evaluations.Sum(e => e.BytesDown),
                seconds = Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 3),
                peakMemoryMb = Math.Round(process.PeakWorkingSet64 / 1e6, 1),
                modelDigest = result.Server.Model.Digest(plan.ModelMetadata),
            });
    }

    private sealed record Request(
        string File, string? DataFolder, IReadOnlyList<string> Assignments, int Threads, string? Out, InterruptedRun Interrupted, TimeSpan CheckpointInterval,
        bool Json);
}
