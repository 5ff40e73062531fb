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
    /// <summary>A model with every layer that there is.</summary>
    public static ModelSpec EveryLayer { get; } = new()
    {
        Input = [9, 8, 2],
        Layers =
        [
            new Conv2dSpec { Channels = 3, Kernel = 3, Padding = 1 }, new ReluSpec(), new MaxPool2dSpec { Size = 2, Stride = 1 }, new DropoutSpec { Rate = 0.2 },
            new Conv2dSpec { Channels = 5, Kernel = 2, Stride = 2 }, new TanhSpec(), new AveragePool2dSpec { Size = 2 }, new FlattenSpec(),
            new LinearSpec { Outputs = 17 }, new SigmoidSpec(), new LinearSpec { Outputs = 3 },
        ],
        Loss = new SoftmaxCrossEntropySpec(),
    };

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
