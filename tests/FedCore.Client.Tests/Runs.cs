using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Tests;
using FedCore.Training.Data;
using FedCore.Training.Data.Datasets;

namespace FedCore.Client.Tests;

/// <summary>Runs, and what a site's sources are asked for them.</summary>
internal static class Runs
{
    /// <summary>The features age and sex (f, m) and the label ill.</summary>
    public static readonly DataContract Contract = new()
    {
        Features = [new Feature { Name = "age" }, new Feature { Name = "sex", Categories = ["f", "m"] }],
        Label = new Label { Name = "ill" },
    };

    public static Registry Names { get; } = Registry.CreateDefault().AddClient();

    public static RunPlan Plan(DataContract? contract = null) => Plan(
        new ModelSpec
        {
            Input = [(contract ?? Contract).Features.Sum(feature => feature.Width)],
            Layers = [new LinearSpec { Outputs = 2 }],
            Loss = new SoftmaxCrossEntropySpec(),
        },
        contract ?? Contract);

    public static RunPlan Plan(ModelSpec model, DataContract? contract = null, TrainingPlan? training = null, IStrategy? strategy = null) => RunPlan.Create(
        new RunDefinition
        {
            Name = "test",
            Model = model,
            Data = contract,
            Strategy = strategy ?? new FedAvg(),
            Training = training ?? new TrainingPlan { LearningRate = 0.1 },
            Rounds = new RoundPolicy { Count = 1 },
        },
        Names);

    /// <summary>What a source is asked at a site whose settings lie in a folder.</summary>
    public static DataRequest AtSite(this TemporaryFolder folder, RunPlan plan) => new(plan, DataFolders.OfSite(folder.Path, new DatasetStore(folder["datasets"])));
}
