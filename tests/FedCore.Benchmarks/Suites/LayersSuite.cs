using FedCore.Benchmarks.Peers;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Rounds;

namespace FedCore.Benchmarks.Suites;

/// <summary>Training steps per second of recurrent and attention models on one thread over PyTorch's, as the engine's figures are taken.</summary>
internal static class LayersSuite
{
    private const int Classes = 10;

    public static void Run(Figures figures)
    {
        using TorchPeer torch = TorchPeer.Start(null);
        Recurrent(figures, torch);
        Attention(figures, torch);
    }

    // Next characters and words are learned by models like this: McMahan et al. 2017 has 256 units on sequences of 80.
    private static void Recurrent(Figures figures, TorchPeer torch)
    {
        const int tokens = 80, units = 256, batch = 10;
        ModelSpec model = Model([tokens, units], new LstmSpec { Units = units }, new LinearSpec { Outputs = Classes });

        // Of each token and gate the products with input and output before; in the backward pass those of both kernels and of the output before.
        double flops = 2.0 * batch * tokens * 4 * units * units * (2 + 3);
        Compare(figures, torch, new Comparison("layers", "lstm_vs_pytorch", "lstm", "noise", batch, flops, $"LSTM of {units} units on {tokens} tokens of width {units}, linear to {Classes} classes"), model);
    }

    private static void Attention(Figures figures, TorchPeer torch)
    {
        const int tokens = 128, width = 128, heads = 4, batch = 8;
        ModelSpec model = Model([tokens, width], new AttentionSpec { Heads = heads }, new LinearSpec { Outputs = Classes });

        // Projections of each token, without the gradient of the input; scores and outputs, of which the mask needs half.
        double flops = 2.0 * batch * tokens * (width * width * (3 * 2 + 3) + 3.0 * 2 * tokens / 2 * width + 3.0 * width * Classes);
        Compare(figures, torch, new Comparison("layers", "attention_vs_pytorch", "attention", "noise", batch, flops, $"causal attention of {heads} heads on {tokens} tokens of width {width}, linear to {Classes} classes of each token"), model);
    }

    private static void Compare(Figures figures, TorchPeer torch, Comparison comparison, ModelSpec model)
    {
        using var trainer = new StepTrainer(Models.Plan(model, new RoundPolicy { Count = 1 }, comparison.Batch), comparison.Batch, null);
        (comparison with { Seconds = 0.3 }).Run(figures, torch, trainer.Step);
    }

    private static ModelSpec Model(int[] input, params LayerSpec[] layers) => new() { Input = input, Layers = layers, Loss = new SoftmaxCrossEntropySpec() };
}
