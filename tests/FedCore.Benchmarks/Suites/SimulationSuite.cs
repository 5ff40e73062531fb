using System.Diagnostics;
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
        Overhead(figures, "overhead_logreg", Models.LogisticRegression, rounds: 1600, turn: 40);
        Overhead(figures, "overhead_2nn", Models.TwoLayers, rounds: 80, turn: 4);
        Overhead(figures, "overhead_cnn", Models.Convolutional, rounds: 3, turn: 1);
        TwoWorkers(figures);
    }

    private static void Overhead(Figures figures, string figure, ModelSpec model, int rounds, int turn)
    {
        RunPlan plan = Models.Plan(model, new RoundPolicy { Count = rounds }, Batch);
        var clients = new FixedClients(plan.Model, Cohort, Examples);
        using var bare = new BareLoop(plan, clients);
        var pairs = new List<(double Simulated, double Bare)>();
        for (int pair = -1; pair < Pairs; pair++)
        {
            var turns = new Turns(turn, () => bare.Rounds(turn));
            FederatedSimulation.RunAsync(plan, clients, new SimulationOptions { Threads = 1, Progress = turns }).GetAwaiter().GetResult().Dispose();
            if (pair >= 0) pairs.Add((turns.Simulated, turns.Other));
        }

        double clientsPerPair = (double)(rounds - turn) * Cohort;
        figures.Report("simulation", figure, Figures.Median(pairs.Select(p => p.Simulated / p.Bare)), "x", new
        {
            microsecondsPerClient = Math.Round(1e6 * Figures.Median(pairs.Select(p => p.Simulated)) / clientsPerPair, 2),
            bareMicrosecondsPerClient = Math.Round(1e6 * Figures.Median(pairs.Select(p => p.Bare)) / clientsPerPair, 2),
        });
    }

    // Two busy cores meet twice the neighbours. So beside the median of the pairs stand the ratio of the fastest slices, and what two hand-written loops
    // that share nothing reach at the same time.
    private static void TwoWorkers(Figures figures)
    {
        const int rounds = 60, slices = 5;
        RunPlan plan = Models.Plan(Models.TwoLayers, new RoundPolicy { Count = rounds + Steady.FirstRounds }, Batch);
        var clients = new FixedClients(plan.Model, Cohort, Examples);
        using BareLoop first = new(plan, clients), second = new(plan, clients);
        var tests = new List<(double One, double Two, double Bare, double TwoBare)>();
        double fastestOne = double.MaxValue, fastestTwo = double.MaxValue;
        for (int pair = -1; pair < Pairs; pair++)
        {
            (double One, double Two, double Bare, double TwoBare) sum = default;
            for (int slice = 0; slice < slices; slice++)
            {
                double one = Steady.Simulated(plan, clients, 1), two = Steady.Simulated(plan, clients, 2);
                (fastestOne, fastestTwo) = (Math.Min(one, fastestOne), Math.Min(two, fastestTwo));
                sum = (sum.One + one, sum.Two + two, sum.Bare + Steady.Looped(rounds, first), sum.TwoBare + Steady.Looped(rounds / 2, first, second));
            }

            if (pair >= 0) tests.Add(sum);
        }

        figures.Report("simulation", "two_workers", Figures.Median(tests.Select(t => t.One / t.Two)), "x", new
        {
            clientsPerSecond = Math.Round(Cohort * rounds * slices / Figures.Median(tests.Select(t => t.Two))),
            undisturbed = Math.Round(fastestOne / fastestTwo, 2),
            twoBareLoops = Math.Round(Figures.Median(tests.Select(t => t.Bare / t.TwoBare)), 2),
        });
    }

    /// <summary>Seconds that rounds take once threads are started and spread over the processors, which a scheduler may take a tenth of a second for.</summary>
    private sealed class Steady : IProgress<RunEvent>
    {
        public const int FirstRounds = 25;

        private long _start, _end;

        public static double Simulated(RunPlan plan, FixedClients clients, int threads)
        {
            var clock = new Steady();
            FederatedSimulation.RunAsync(plan, clients, new SimulationOptions { Threads = threads, Progress = clock }).GetAwaiter().GetResult().Dispose();
            return Stopwatch.GetElapsedTime(clock._start, clock._end).TotalSeconds;
        }

        public static double Looped(int rounds, params BareLoop[] loops)
        {
            long start = 0;
            using var ready = new Barrier(loops.Length, _ => start = Stopwatch.GetTimestamp());
            Task.WaitAll([.. loops.Select(loop => Task.Run(() =>
            {
                loop.Rounds(FirstRounds);
                ready.SignalAndWait();
                loop.Rounds(rounds);
            }))]);
            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        public void Report(RunEvent value)
        {
            if (value is not RoundEnded { Receipt.Round: int round }) return;
            _end = Stopwatch.GetTimestamp();
            if (round == FirstRounds) _start = _end;
        }
    }

    /// <summary>CPU time of a simulation's rounds and of other work that has its turn every few rounds, so that both meet the same neighbours.</summary>
    private sealed class Turns(int rounds, Action other) : IProgress<RunEvent>
    {
        private double _since;

        public double Simulated { get; private set; }

        public double Other { get; private set; }

        public void Report(RunEvent value)
        {
            if (value is not RoundEnded { Receipt.Round: int round } || round % rounds != 0) return;
            double before = CpuSeconds();
            other();
            double after = CpuSeconds();

            // The first turn, in which the simulation allocates its memory, does not count.
            if (round > rounds) (Simulated, Other) = (Simulated + before - _since, Other + after - before);
            _since = after;
        }

        private static double CpuSeconds() => Environment.CpuUsage.TotalTime.TotalSeconds;
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
            using ModelState initial = ModelState.Initialize(plan.Model, plan.World.Stream("model"));
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

        public void Rounds(int count)
        {
            for (int round = 0; round < count; round++) Round();
        }

        private void Round()
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
