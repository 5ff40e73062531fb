using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Simulation.Storage;
using FedCore.Strategies;
using FedCore.Tests;
using FedCore.Training;
using FedCore.Training.Data;
using FedCore.Training.Engine;
using FedCore.Updates;

namespace FedCore.Simulation.Tests;

/// <summary>A run that takes milliseconds: softmax regression on generated clients of 20 examples, 18 of them for training.</summary>
internal static class SmallRun
{
    public const int TrainExamples = 18;

    public static Registry Names { get; } = Registry.CreateDefault().AddSimulation();

    public static RunPlan Plan(
        RoundPolicy? rounds = null, IStrategy? strategy = null, TrainingPlan? training = null, EvaluationPlan? evaluation = null, string name = "small",
        Func<RunDefinition, RunDefinition>? change = null)
    {
        var definition = new RunDefinition
        {
            Name = name,
            Seed = 5,
            Model = new ModelSpec { Input = [6], Layers = [new LinearSpec { Outputs = 3 }], Loss = new SoftmaxCrossEntropySpec() },
            Strategy = strategy ?? new FedAvg(),
            Training = training ?? new TrainingPlan { Epochs = 2, BatchSize = 6, LearningRate = 0.1 },
            Rounds = rounds ?? new RoundPolicy { Count = 4 },
            Evaluation = evaluation ?? new EvaluationPlan(),
        };
        return RunPlan.Create(change?.Invoke(definition) ?? definition, Names);
    }

    public static IFederatedData Data(RunPlan plan, long clients = 8) => new SyntheticClients { Clients = clients, Examples = 20 }.Create(plan);

    public static async Task<SimulationResult> RunAsync(RunPlan plan, SimulationOptions? options = null, long clients = 8, CancellationToken? ct = null) =>
        await FederatedSimulation.RunAsync(plan, Data(plan, clients), options, ct ?? TestContext.Current.CancellationToken);

    /// <summary>The result of a run that was stopped behind a round's checkpoint, and resumed from what was in its folder.</summary>
    public static async Task<SimulationResult> ResumedAsync(RunPlan plan, int round)
    {
        using var folder = new TemporaryFolder();
        using (var journal = new FileRunJournal(folder["journal.jsonl"], Names))
        {
            using var stop = new CancellationTokenSource();
            var stopping = new Direct(fact =>
            {
                if (fact is CheckpointSaved saved && saved.Round == round) stop.Cancel();
            });
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => RunAsync(plan, Options(journal) with { Progress = stopping }, ct: stop.Token));
        }

        using var again = new FileRunJournal(folder["journal.jsonl"], Names);
        return await RunAsync(plan, Options(again));

        SimulationOptions Options(FileRunJournal journal) => new()
        {
            Checkpoints = new FileCheckpointStore(folder.Path, plan, TimeSpan.Zero, TimeProvider.System),
            Journal = journal,
            ClientStateFolder = folder.Path,
        };
    }

    /// <summary>Counts what the trainer is asked for, and how many workspaces there are at once.</summary>
    internal sealed class CountingTrainer : ITrainer
    {
        private readonly EmbeddedTrainer _inner = new();
        private int _trained, _workspaces, _disposed;

        public int Trained => _trained;

        public int Workspaces => _workspaces;

        public int Disposed => _disposed;

        public System.Collections.Concurrent.ConcurrentBag<(int Round, string Site, int Steps)> Tasks { get; } = [];

        public ITrainingWorkspace CreateWorkspace(RunPlan plan)
        {
            Interlocked.Increment(ref _workspaces);
            return new Workspace(this, _inner.CreateWorkspace(plan));
        }

        private sealed class Workspace(CountingTrainer owner, ITrainingWorkspace inner) : ITrainingWorkspace
        {
            public ValueTask<Update> TrainAsync(TrainTask task, string site, ClientData data, int steps, IClientState state, CancellationToken ct)
            {
                Interlocked.Increment(ref owner._trained);
                owner.Tasks.Add((task.Round, site, steps));
                return inner.TrainAsync(task, site, data, steps, state, ct);
            }

            public Update Evaluate(EvaluateTask task, string site, ClientData data, IClientState state) => inner.Evaluate(task, site, data, state);

            public void Dispose()
            {
                Interlocked.Increment(ref owner._disposed);
                inner.Dispose();
            }
        }
    }

    /// <summary>Hears of facts on the thread on which they happen.</summary>
    internal sealed class Direct(Action<RunEvent> action) : IProgress<RunEvent>
    {
        public void Report(RunEvent value) => action(value);
    }
}
