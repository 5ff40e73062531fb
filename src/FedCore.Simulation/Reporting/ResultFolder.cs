using FedCore.Models;
using FedCore.Rounds;
using FedCore.Simulation.Storage;
using FedCore.Training.Data;

namespace FedCore.Simulation.Reporting;

/// <summary>
/// The folder that a run's results go to. While a run goes on, its journal and checkpoints lie in <c>.run</c>; results are written beside their places
/// and renamed at the very end, so that a run that fails leaves the results of an earlier one as they were.
/// </summary>
public sealed class ResultFolder : IDisposable
{
    private const string Working = ".run";
    private static readonly string[] Names = ["run.json", "metrics.jsonl", "receipts.jsonl", "model.safetensors", "report.html"];
    private readonly RunPlan _plan;
    private ResultFolder(string path, RunPlan plan, TimeSpan checkpointInterval)
    {
        Path = path;
        _plan = plan;
        WorkingFolder = System.IO.Path.Combine(path, Working);
        Directory.CreateDirectory(WorkingFolder);
        Journal = new FileRunJournal(System.IO.Path.Combine(WorkingFolder, "journal.jsonl"), plan.Registry);
        Checkpoints = new FileCheckpointStore(WorkingFolder, plan, checkpointInterval, TimeProvider.System);
    }

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>Where journal, checkpoints and what the clients keep lie until the run is complete.</summary>
    public string WorkingFolder { get; }

    /// <summary>The run's journal.</summary>
    public FileRunJournal Journal { get; }

    /// <summary>The run's checkpoints.</summary>
    public FileCheckpointStore Checkpoints { get; }

    /// <summary>Opens a folder for a run.</summary>
    /// <param name="path">The folder; it is created where it is not there.</param>
    /// <param name="plan">The run.</param>
    /// <param name="mode">What to do with a run that was interrupted there.</param>
    /// <param name="checkpointInterval">The least time between checkpoints.</param>
    /// <returns>The open folder.</returns>
    /// <exception cref="FedCoreException">It holds an interrupted run, or none to resume, or cannot be written to (<c>run.out</c>).</exception>
    public static ResultFolder Open(string path, RunPlan plan, InterruptedRun mode, TimeSpan checkpointInterval)
    {
        path = System.IO.Path.GetFullPath(path);
        string working = System.IO.Path.Combine(path, Working);
        bool isInterrupted = File.Exists(System.IO.Path.Combine(working, "journal.jsonl"));

        // Refused while the run still goes on.
        if (isInterrupted) new FileRunJournal(System.IO.Path.Combine(working, "journal.jsonl"), plan.Registry).Dispose();
        if (isInterrupted && mode == InterruptedRun.Refuse)
        {
            throw FedCoreException.Configuration(
                "run.out", $"{path} holds a run that was interrupted. Go on with it: --resume. Or drop it and start anew: --restart. Or choose another --out.");
        }

        if (!isInterrupted && mode == InterruptedRun.Resume)
            throw FedCoreException.Configuration("run.out", $"{path} holds no run that was interrupted. Leave --resume out to start one.");
        try
        {
            if (isInterrupted && mode == InterruptedRun.Drop) Directory.Delete(working, recursive: true);
            foreach (string name in Names)
            {
                if (Directory.Exists(System.IO.Path.Combine(path, name)))
                    throw FedCoreException.Configuration("run.out", $"{System.IO.Path.Combine(path, name)} is a folder where a result goes. Move it away, or choose another --out.");
            }

            return new ResultFolder(path, plan, checkpointInterval);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw FedCoreException.Configuration("run.out", $"The results cannot be written to {path}: {fault.Message}", fault);
        }
    }

    /// <summary>Writes the results and drops what was only needed to resume.</summary>
    /// <param name="result">What the run came to.</param>
    /// <param name="data">The clients' examples.</param>
    public void Complete(SimulationResult result, IFederatedData data)
    {
        ArgumentNullException.ThrowIfNull(result);
        Action<string>[] writers =
        [
            path => File.WriteAllBytes(path, RunFile.Bytes(_plan, result.Definition)),
            path => MetricsFile.WriteMetrics(path, result.State),
            path => MetricsFile.WriteReceipts(path, result.State, _plan.Registry),
            path => WriteModel(path, result.Server.Model),
            path => HtmlReport.Write(path, _plan, result, data),
        ];
        foreach ((string name, Action<string> write) in Names.Zip(writers)) write(System.IO.Path.Combine(WorkingFolder, name));
        foreach (string name in Names) File.Move(System.IO.Path.Combine(WorkingFolder, name), System.IO.Path.Combine(Path, name), overwrite: true);
        Drop();
    }

    /// <summary>Forgets the run: there is nothing to resume.</summary>
    public void Drop()
    {
        Journal.Dispose();
        Directory.Delete(WorkingFolder, recursive: true);
    }

    /// <inheritdoc/>
    public void Dispose() => Journal.Dispose();

    private void WriteModel(string path, ModelState model)
    {
        using FileStream file = File.Create(path);
        SafeTensors.Write(file, model, _plan.ModelMetadata);
    }
}

/// <summary>What to do with a run that was interrupted in a result folder.</summary>
public enum InterruptedRun
{
    /// <summary>Refuse to start.</summary>
    Refuse,

    /// <summary>Go on with it.</summary>
    Resume,

    /// <summary>Drop it and start anew.</summary>
    Drop,
}
