using System.Numerics.Tensors;
using FedCore.Models;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Simulation;
using FedCore.Training.Engine;

namespace FedCore.Benchmarks.Suites;

/// <summary>What a simulated round costs beside the training itself, and what a second worker brings.</summary>
internal static class SimulationSuite
{
    private const int Pairs = 5, Cohort = 50, Examples = 50, Batch = 10;

    public static void Run(Figures figures)
    {
        Overhead(figures, "overhead_logreg", Models.LogisticRegression, 1600);
        Overhead(figures, "overhead_2nn", Models.TwoLayers, 80);
        Overhead(figures, "overhead_cnn", Models.Convolutional, 1);
        TwoWorkers(figures);
    }

    private static void Overhead(Figures figures, string figure, ModelSpec model, int rounds)
    {
        RunPlan plan = Models.Plan(model, new RoundPolicy { Count = rounds }, Batch);
        var clients = new FixedClients(plan.Model, Cohort, Examples);
        using var bare = new BareLoop(plan, clients);

        void Simulate() => FederatedSimulation.RunAsync(plan, clients, new SimulationOptions { Threads = 1 }).GetAwaiter().GetResult().Dispose();
        void Loop()
        {
            for (int round = 0; round < rounds; round++) bare.Round();
        }

        for (int warm = 0; warm < 2; warm++)
        {
            Simulate();
            Loop();
        }

        var pairs = new List<(double Simulated, double Bare)>();
        for (int pair = 0; pair < Pairs; pair++) pairs.Add((CpuSeconds(Simulate), CpuSeconds(Loop)));
        figures.Report("simulation", figure, Figures.Median(pairs.Select(p => p.Simulated / p.Bare)), "x", new
        {
            microsecondsPerClient = Math.Round(1e6 * Figures.Median(pairs.Select(p => p.Simulated)) / rounds / Cohort, 2),
            bareMicrosecondsPerClient = Math.Round(1e6 * Figures.Median(pairs.Select(p => p.Bare)) / rounds / Cohort, 2),
        });
    }

    // Beside the figure stands what two hand-written loops on two threads reach at the same time, for cores share caches, memory and neighbours.
    private static void TwoWorkers(Figures figures)
    {
        const int rounds = 60;
        RunPlan plan = Models.Plan(Models.TwoLayers, new RoundPolicy { Count = rounds }, Batch);
        var clients = new FixedClients(plan.Model, Cohort, Examples);
        using BareLoop first = new(plan, clients), second = new(plan, clients);
        double Simulate(int threads) => Seconds(
            () => FederatedSimulation.RunAsync(plan, clients, new SimulationOptions { Threads = threads }).GetAwaiter().GetResult().Dispose());
        double Loops(params BareLoop[] loops) => Seconds(() => Task.WaitAll([.. loops.Select(loop => Task.Run(() =>
        {
            for (int round = 0; round < rounds / loops.Length; round++) loop.Round();
        }))]));

        var pairs = new List<(double Simulated, double Ceiling, double Two)>();
        for (int pair = -1; pair < Pairs; pair++)
        {
            double one = Simulate(1), two = Simulate(2), bareOne = Loops(first), bareTwo = Loops(first, second);
            if (pair >= 0) pairs.Add((one / two, bareOne / bareTwo, two));
        }

        figures.Report("simulation", "two_workers", Figures.Median(pairs.Select(p => p.Simulated)), "x", new
        {
            clientsPerSecond = Math.Round(Cohort * rounds / Figures.Median(pairs.Select(p => p.Two))),
            twoBareLoops = Math.Round(Figures.Median(pairs.Select(p => p.Ceiling)), 2),
        });
    }

    private static double Seconds(Action work)
    {
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        work();
        return System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double CpuSeconds(Action work)
    {
        TimeSpan before = Environment.CpuUsage.TotalTime;
        work();
        return (Environment.CpuUsage.TotalTime - before).TotalSeconds;
    }

    /// <summary>What one would write by hand: load the global model, train on the batches, add the change up.</summary>
    private sealed class BareLoop : IDisposable
    {
        private readonly FlatVector _global, _parameters, _gradients, _sum;
        private readonly Network _network;
        private readonly FixedClients _clients;
        private readonly int[][][] _batches;
        private readonly double[] _sums = new double[2];
        private readonly float[] _change = new float[VectorBlocks.BlockLength];

        public BareLoop(RunPlan plan, FixedClients clients)
        {
            _clients = clients;
            using ModelState initial = ModelState.Initialize(plan.Model, plan.Random.Stream("model"));
            _global = initial.Trainable.Clone();
            _parameters = _global.Clone();
            _gradients = _global.Clone();
            _sum = _global.Clone();
            _network = new Network(plan.Model, EngineRegistry.CreateDefault(), Batch, _parameters, _gradients);
            RandomStream random = plan.Random.Stream("benchmark");
            _batches = [.. Enumerable.Range(0, Cohort).Select(client =>
            {
                int[] rows = clients.Get(client).Train.Rows.ToArray();
                random.Shuffle<int>(rows);
                return rows.Chunk(Batch).ToArray();
            })];
        }

        public void Round()
        {
            _sum.Clear();
            for (int client = 0; client < Cohort; client++)
            {
                _parameters.CopyFrom(_global);
                foreach (int[] rows in _batches[client])
                {
                    _clients.Set.CopyFeatures(rows, _network.Inputs.AsSpan());
                    for (int i = 0; i < rows.Length; i++) _network.Labels[i] = _clients.Set.Label(rows[i])[0];
                    _network.Forward(rows.Length, training: true, null);
                    _network.Backward(rows.Length, null, -0.01f, _sums);
                }

                for (long offset = 0; offset < _sum.Length; offset += VectorBlocks.BlockLength)
                {
                    int count = (int)Math.Min(VectorBlocks.BlockLength, _sum.Length - offset);
                    Span<float> change = _change.AsSpan(0, count), sum = _sum.Slice(offset, count);
                    TensorPrimitives.Subtract(_parameters.Slice(offset, count), _global.Slice(offset, count), change);
                    TensorPrimitives.MultiplyAdd(change, (float)Examples, sum, sum);
                }
            }

            VectorBlocks.AddScaled(_global, 1f / (Cohort * Examples), _sum);
        }

        public void Dispose()
        {
            _network.Dispose();
            foreach (FlatVector vector in (FlatVector[])[_global, _parameters, _gradients, _sum]) vector.Dispose();
        }
    }
}
