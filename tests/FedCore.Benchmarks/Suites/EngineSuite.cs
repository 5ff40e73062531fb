using FedCore.Benchmarks.Peers;
using FedCore.Models;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Training.Tensors;

namespace FedCore.Benchmarks.Suites;

/// <summary>
/// Training steps per second on one thread over PyTorch's, in interleaved pairs. The engine leaves out zeros, so what it is fed matters: images of MNIST,
/// which these models are for, and beside them noise, in which nothing is zero.
/// </summary>
internal static class EngineSuite
{
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
        new Comparison("engine", figure, name, images is null ? "noise" : "mnist", batch, Models.FlopsPerExample(plan.Model) * batch).Run(figures, torch, trainer.Step);
    }

    private static unsafe void Product(Figures figures, TorchPeer torch)
    {
        const int n = 512;
        using FlatVector a = Random(n * n), b = Random(n * n), c = new(n * n);
        new Comparison("engine", "gemm_512_vs_pytorch", "gemm", "noise", n, 2.0 * n * n * n).Run(figures, torch,
            () => MatrixKernels.Forward(a.Pointer, n, n, b.Pointer, n, null, c.Pointer));
    }

    private static FlatVector Random(int length)
    {
        var vector = new FlatVector(length);
        var random = new RandomKeys([], 1).Stream("benchmark");
        foreach (ref float value in vector.AsSpan()) value = (float)random.NextDouble();
        return vector;
    }
}
