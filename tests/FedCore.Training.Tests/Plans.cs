using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Optimizers;
using FedCore.Rounds;
using FedCore.Strategies;

namespace FedCore.Training.Tests;

/// <summary>Runs for tests.</summary>
internal static class Plans
{
    /// <summary>A model with every layer that takes images or vectors.</summary>
    public static ModelSpec EveryLayer { get; } = new()
    {
        Input = [9, 8, 2],
        Layers =
        [
            new Conv2dSpec { Channels = 3, Kernel = 3, Padding = 1 }, new ReluSpec(), new MaxPool2dSpec { Size = 2, Stride = 1 }, new DropoutSpec { Rate = 0.2 },
            new ResidualSpec
            {
                Layers = [new Conv2dSpec { Channels = 5, Kernel = 3, Stride = 2, Padding = 1 }, new GroupNormSpec { Groups = 5 }, new DropoutSpec { Rate = 0.2 }],
                Shortcut = [new Conv2dSpec { Channels = 5, Kernel = 1, Stride = 2, Bias = false }],
            },
            new TanhSpec(), new AveragePool2dSpec { Size = 2 }, new FlattenSpec(),
            new LinearSpec { Outputs = 17 }, new SigmoidSpec(), new LayerNormSpec(), new LinearSpec { Outputs = 3 },
        ],
        Loss = new SoftmaxCrossEntropySpec(),
    };

    /// <summary>A model with every layer that takes sequences, and a prediction for each token.</summary>
    public static ModelSpec EverySequenceLayer { get; } = new()
    {
        Input = [18],
        Layers =
        [
            new EmbeddingSpec { Vocabulary = 11, Width = 8, Positions = true },
            new ResidualSpec { Layers = [new LayerNormSpec(), new AttentionSpec { Heads = 2 }, new DropoutSpec { Rate = 0.2 }] },
            new ResidualSpec { Layers = [new LayerNormSpec(), new LinearSpec { Outputs = 32 }, new GeluSpec(), new LinearSpec { Outputs = 8 }] },
            new LstmSpec { Units = 9, ReturnSequences = true }, new LinearSpec { Outputs = 11 },
        ],
        Loss = new SoftmaxCrossEntropySpec(),
    };

    /// <summary>The same model without what is random.</summary>
    public static ModelSpec WithoutDropout(ModelSpec model) => model with { Layers = WithoutDropout(model.Layers) };

    private static List<LayerSpec> WithoutDropout(IEnumerable<LayerSpec> layers) =>
        [.. layers.Where(layer => layer is not DropoutSpec).Select(layer => layer is ResidualSpec block ? block with { Layers = WithoutDropout(block.Layers) } : layer)];

    public static ModelSpec Softmax(int inputs, int classes) => new()
    {
        Input = [inputs],
        Layers = [new LinearSpec { Outputs = classes }],
        Loss = new SoftmaxCrossEntropySpec(),
    };

    public static RunPlan Of(
        ModelSpec model, OptimizerSpec? optimizer = null, IStrategy? strategy = null, DataContract? data = null, Registry? registry = null, double learningRate = 0.1) =>
        RunPlan.Create(
            new RunDefinition
            {
                Name = "test",
                Model = model,
                Data = data,
                Strategy = strategy ?? new FedAvg(),
                Training = new TrainingPlan { BatchSize = 4, LearningRate = learningRate, Optimizer = optimizer ?? new SgdSpec() },
                Rounds = new RoundPolicy { Count = 1 },
            },
            registry ?? Registry.CreateDefault().AddTraining());
}
