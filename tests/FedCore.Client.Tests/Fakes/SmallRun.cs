using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Numerics;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.Strategies;

namespace FedCore.Client.Tests.Fakes;

/// <summary>A run of one site, task by task.</summary>
internal sealed class SmallRun : IDisposable
{
    private readonly FakeAggregator _aggregator;
    private readonly Blob _definition;
    private readonly FlatVector _control;

    /// <param name="aggregator">Who offers its tasks.</param>
    /// <param name="strategy">The strategy; null for FedAvg.</param>
    /// <param name="hidden">Units of the hidden layer; many make updates of many chunks.</param>
    /// <param name="name">The run's name.</param>
    /// <param name="change">What is different.</param>
    public SmallRun(FakeAggregator aggregator, IStrategy? strategy = null, int hidden = 4, string name = "run", Func<RunDefinition, RunDefinition>? change = null)
    {
        var definition = new RunDefinition
        {
            Name = "small",
            Seed = 5,
            Model = new ModelSpec { Input = [6], Layers = [new LinearSpec { Outputs = hidden }, new TanhSpec(), new LinearSpec { Outputs = 2 }], Loss = new SoftmaxCrossEntropySpec() },
            Strategy = strategy ?? new FedAvg(),
            Training = new TrainingPlan { Epochs = 2, BatchSize = 4, LearningRate = 0.1 },
            Rounds = new RoundPolicy { Count = 9 },
        };
        (_aggregator, Name, Plan) = (aggregator, name, RunPlan.Create(change?.Invoke(definition) ?? definition, Runs.Names));
        _definition = aggregator.Put(Plan.CanonicalBytes.ToArray());
        Model = ModelState.Initialize(Plan.Model, Plan.World.Stream("model"));
        _control = new FlatVector(Plan.Model.Schema.TrainableCount);
    }

    public string Name { get; }

    public RunPlan Plan { get; }

    public ModelState Model { get; }

    /// <summary>Offers the training task of a round.</summary>
    public TaskOffer Train(int round, Action<TaskOffer>? change = null, int position = 0)
    {
        ClientTask work = Plan.Definition.Strategy.Plan(new RoundContext(Plan, round, 1), new ClientDescriptor(0, new ClientId(FakeAggregator.Site)));
        var task = new TrainTask(work, round, position, position + 1, Model, Plan.TrainLayout, null) { Broadcasts = Plan.Definition.Strategy.Broadcasts.ToDictionary(name => name, _ => _control) };
        return Offer(task, change);
    }

    /// <summary>Offers the evaluation behind a round.</summary>
    public TaskOffer Evaluate(int round, Action<TaskOffer>? change = null) => Offer(new EvaluateTask([DataSplit.Test], round, 0, 1, Model, Plan.EvaluateLayout), change);

    public void Dispose()
    {
        Model.Dispose();
        _control.Dispose();
    }

    private TaskOffer Offer(SiteTask task, Action<TaskOffer>? change)
    {
        TaskOffer offer = Offers.Of(_aggregator, Plan, _definition, task, FakeAggregator.Site, Name);
        change?.Invoke(offer);
        _aggregator.Offer(offer);
        return offer;
    }
}
