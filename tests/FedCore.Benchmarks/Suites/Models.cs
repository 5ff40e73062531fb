using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Strategies;

namespace FedCore.Benchmarks.Suites;

/// <summary>The models of the figures: softmax regression, and the 2NN and CNN of McMahan et al. 2017.</summary>
internal static class Models
{
    public static ModelSpec LogisticRegression { get; } = new()
    {
        Input = [784],
        Layers = [new LinearSpec { Outputs = 10 }],
        Loss = new SoftmaxCrossEntropySpec(),
    };

    public static ModelSpec TwoLayers { get; } = new()
    {
        Input = [784],
        Layers =
        [
            new LinearSpec { Outputs = 200 }, new ReluSpec(), new LinearSpec { Outputs = 200 }, new ReluSpec(), new LinearSpec { Outputs = 10 },
        ],
        Loss = new SoftmaxCrossEntropySpec(),
    };

    public static ModelSpec Convolutional { get; } = new()
    {
        Input = [28, 28, 1],
        Layers =
        [
            new Conv2dSpec { Channels = 32, Kernel = 5, Padding = 2 }, new ReluSpec(), new MaxPool2dSpec { Size = 2 },
            new Conv2dSpec { Channels = 64, Kernel = 5, Padding = 2 }, new ReluSpec(), new MaxPool2dSpec { Size = 2 },
            new FlattenSpec(), new LinearSpec { Outputs = 512 }, new ReluSpec(), new LinearSpec { Outputs = 10 },
        ],
        Loss = new SoftmaxCrossEntropySpec(),
    };

    /// <summary>Multiplications and additions of one training step per example; the first layer needs no input gradient.</summary>
    public static double FlopsPerExample(ModelPlan model)
    {
        double total = 0;
        bool first = true;
        foreach (PlannedLayer layer in model.Layers)
        {
            double products = layer.Spec switch
            {
                LinearSpec linear => (double)layer.Input[0] * linear.Outputs,
                Conv2dSpec conv => (double)layer.Plan.Output.ElementCount * conv.Kernel * conv.Kernel * layer.Input[2],
                _ => 0,
            };
            if (products == 0) continue;
            total += 2 * products * (first ? 2 : 3);
            first = false;
        }

        return total;
    }

    public static RunPlan Plan(ModelSpec model, RoundPolicy rounds, int batchSize, IStrategy? strategy = null) => RunPlan.Create(
        new RunDefinition
        {
            Name = "benchmark",
            Model = model,
            Strategy = strategy ?? new FedAvg(),
            Training = new TrainingPlan { LearningRate = 0.01, BatchSize = batchSize },
            Rounds = rounds,
            Evaluation = new EvaluationPlan { Every = 0 },
        },
        Registry.CreateDefault());
}
