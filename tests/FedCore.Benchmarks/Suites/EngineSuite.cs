using FedCore.Benchmarks.Peers;
using FedCore.Models;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Training.Engine;
using FedCore.Training.Tensors;

namespace FedCore.Benchmarks.Suites;

/// <summary>
/// Training steps per second on one thread over PyTorch's, in interleaved pairs. The engine leaves out zeros, so what it is fed matters: images of MNIST,
/// which these models are for, and beside them noise, in which nothing is zero.
/// </summary>
internal static class EngineSuite
{
    private const int Pairs = 5, Turns = 5;
    private const double Seconds = 0.1;

    public static void Run(Figures figures)
    {
        MnistImages? images = MnistImages.Find();
        if (images is null) Console.Error.WriteLine("MNIST is not here, so all inputs are noise. Get it with: fedcore data get mnist");
        using TorchPeer torch = TorchPeer.Start(images);
        (string Name, ModelSpec Model)[] models =
            [("logreg", Models.LogisticRegression), ("2nn", Models.TwoLayers), ("cnn", Models.Convolutional)];
        foreach (int batch in (int[])[10, 32])
        {
            foreach ((string name, ModelSpec model) in models) Train(figures, torch, $"{name}_b{batch}_vs_pytorch", name, model, batch, images);
            if (images is not null) Train(figures, torch, $"2nn_b{batch}_noise_vs_pytorch", "2nn", Models.TwoLayers, batch, null);
        }

        Product(figures, torch);
    }

    private static void Train(Figures figures, TorchPeer torch, string figure, string name, ModelSpec model, int batch, MnistImages? images)
    {
        RunPlan plan = Models.Plan(model, new RoundPolicy { Count = 1 }, batch);
        using var trainer = new StepTrainer(plan, batch, images);
        Compare(figures, torch, figure, name, images is null ? "noise" : "mnist", batch, Models.FlopsPerExample(plan.Model) * batch, trainer.Step);
    }

    private static unsafe void Product(Figures figures, TorchPeer torch)
    {
        const int n = 512;
        using FlatVector a = Random(n * n), b = Random(n * n), c = new(n * n);
        Compare(figures, torch, "gemm_512_vs_pytorch", "gemm", "noise", n, 2.0 * n * n * n,
            () => MatrixKernels.Forward(a.Pointer, n, n, b.Pointer, n, null, c.Pointer));
    }

    private static void Compare(Figures figures, TorchPeer torch, string figure, string name, string inputs, int batch, double flops, Action step)
    {
        Figures.Rate(step, Turns * Seconds);
        torch.Rate(name, inputs, batch, Turns * Seconds);
        var pairs = new List<(double Own, double Peer)>();
        for (int pair = 0; pair < Pairs; pair++)
        {
            // Both take turns, so that they meet the same neighbours.
            (double Own, double Peer) rates = default;
            for (int turn = 0; turn < Turns; turn++)
                rates = (rates.Own + Figures.Rate(step, Seconds) / Turns, rates.Peer + torch.Rate(name, inputs, batch, Seconds) / Turns);
            pairs.Add(rates);
        }

        double own = Figures.Median(pairs.Select(p => p.Own)), peer = Figures.Median(pairs.Select(p => p.Peer));
        figures.Report("engine", figure, Figures.Median(pairs.Select(p => p.Own / p.Peer)), "x", new
        {
            microseconds = Math.Round(1e6 / own, 2),
            gflops = Math.Round(own * flops / 1e9, 1),
            peerMicroseconds = Math.Round(1e6 / peer, 2),
            peerGflops = Math.Round(peer * flops / 1e9, 1),
            inputs,
            lanes = TileGrid.VectorLength,
            peer = torch.About,
        });
    }

    private static FlatVector Random(int length)
    {
        var vector = new FlatVector(length);
        var random = new RandomKeys([], 1).Stream("benchmark");
        foreach (ref float value in vector.AsSpan()) value = (float)random.NextDouble();
        return vector;
    }

    /// <summary>The engine with one batch in place, as PyTorch has it.</summary>
    private sealed class StepTrainer : IDisposable
    {
        private readonly FlatVector _parameters;
        private readonly FlatVector _gradients;
        private readonly Network _network;
        private readonly int _batch;
        private readonly double[] _sums = new double[2];

        public StepTrainer(RunPlan plan, int batch, MnistImages? images)
        {
            _batch = batch;
            var random = plan.Random.Stream("benchmark");
            using ModelState initial = ModelState.Initialize(plan.Model, random);
            _parameters = initial.Trainable.Clone();
            _gradients = new FlatVector(_parameters.Length);
            _network = new Network(plan.Model, EngineRegistry.CreateDefault(), batch, _parameters, _gradients);
            if (images is not null)
            {
                images.CopyTo(_network.Inputs.Slice(0, batch * _network.InputLength), _network.Labels);
                return;
            }

            foreach (ref float x in _network.Inputs.AsSpan()) x = (float)random.NextDouble();
            foreach (ref float y in _network.Labels.AsSpan()) y = random.NextInt32(10);
        }

        public void Step()
        {
            _network.Forward(_batch, training: true, null);
            _network.Backward(_batch, null, -0.01f, _sums);
        }

        public void Dispose()
        {
            _network.Dispose();
            _parameters.Dispose();
            _gradients.Dispose();
        }
    }
}
