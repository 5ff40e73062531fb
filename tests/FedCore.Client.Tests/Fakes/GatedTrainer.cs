using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Training;
using FedCore.Training.Data;
using FedCore.Training.Engine;
using FedCore.Updates;

namespace FedCore.Client.Tests.Fakes;

/// <summary>The embedded engine, with what a test wants to happen before each training.</summary>
internal sealed class GatedTrainer(Func<TrainTask, CancellationToken, Task>? before = null) : ITrainer
{
    private readonly EmbeddedTrainer _inner = new();
    private int _trained, _ended, _workspaces, _disposed;

    public int Trained => _trained;

    public int Ended => _ended;

    public int Workspaces => _workspaces;

    public int Disposed => _disposed;

    public ITrainingWorkspace CreateWorkspace(RunPlan plan)
    {
        Interlocked.Increment(ref _workspaces);
        return new Workspace(this, _inner.CreateWorkspace(plan));
    }

    private sealed class Workspace(GatedTrainer owner, ITrainingWorkspace inner) : ITrainingWorkspace
    {
        public long? Batches => inner.Batches;

        public async ValueTask<Update> TrainAsync(TrainTask task, string site, ClientData data, int steps, IClientState state, CancellationToken ct)
        {
            Interlocked.Increment(ref owner._trained);
            try
            {
                if (owner.Before is { } before) await before(task, ct);
                return await inner.TrainAsync(task, site, data, steps, state, ct);
            }
            finally
            {
                Interlocked.Increment(ref owner._ended);
            }
        }

        public Update Evaluate(EvaluateTask task, string site, ClientData data, IClientState state) => inner.Evaluate(task, site, data, state);

        public void Dispose()
        {
            Interlocked.Increment(ref owner._disposed);
            inner.Dispose();
        }
    }

    private Func<TrainTask, CancellationToken, Task>? Before => before;
}
