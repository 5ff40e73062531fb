using FedCore.Models;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Training.Data;
using FedCore.Training.Engine;
using FedCore.Updates;

namespace FedCore.Training.Tests.Engine;

/// <summary>A workspace trains one client behind the other; each starts from the global model, whatever became of the one before.</summary>
public class WorkspaceTests
{
    public enum Before
    {
        Read,
        HalfRead,
        Unread,
        ReadAndEvaluated,
        OtherRound,
    }

    public static TheoryData<Before, bool> Cases
    {
        get
        {
            var data = new TheoryData<Before, bool>();
            foreach (Before before in Enum.GetValues<Before>())
            {
                data.Add(before, false);
                data.Add(before, true);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_client_starts_from_the_global_model(Before before, bool sendsWholeModel)
    {
        Registry names = Registry.CreateDefault().Register<IStrategy, WholeModel>("wholeModel");
        RunPlan plan = Plans.Of(Plans.Softmax(50, 90), strategy: sendsWholeModel ? new WholeModel() : new FedAvg(), registry: names);
        ClientData data = RandomClient.ExamplesFor(plan);
        using ModelState model = ModelState.Initialize(plan.Model, Draw.Stream("model"));
        using ITrainingWorkspace used = new EmbeddedTrainer().CreateWorkspace(plan), fresh = new EmbeddedTrainer().CreateWorkspace(plan);

        Update first = await TrainAsync(used, "first", round: 1);
        if (before == Before.HalfRead) _ = first.ReadBlock(0).Length;
        else if (before != Before.Unread) ReadAll(first);
        if (before == Before.ReadAndEvaluated)
        {
            // Behind the round's end the model has moved.
            VectorBlocks.AddScaled(model.Trainable, 0.5f, model.Trainable);
            Assert.Equal(Loss(fresh), Loss(used));
        }

        if (before == Before.OtherRound) VectorBlocks.AddScaled(model.Trainable, 0.5f, model.Trainable);
        int round = before is Before.ReadAndEvaluated or Before.OtherRound ? 2 : 1;
        Assert.Equal(ReadAll(await TrainAsync(fresh, "second", round)), ReadAll(await TrainAsync(used, "second", round)));

        async Task<Update> TrainAsync(ITrainingWorkspace workspace, string site, int round)
        {
            var work = new ClientTask
            {
                Round = round,
                Work = new LocalWork(0, 4),
                BatchSize = 3,
                LearningRate = 0.1,
                Weighting = new ClientWeighting(Uniform: true, 0),
            };
            return await workspace.TrainAsync(new TrainTask(work, round, 0, 2, model, plan.TrainLayout, null), site, data, 4, RandomClient.State, TestContext.Current.CancellationToken);
        }

        double Loss(ITrainingWorkspace workspace) =>
            workspace.Evaluate(new EvaluateTask([DataSplit.Test], 1, 0, 1, model, plan.EvaluateLayout), "site", data, new InMemoryClientState()).Scalar("loss");
    }

    [Fact]
    public async Task Batches_are_counted_in_training_and_in_evaluation()
    {
        RunPlan plan = Plans.Of(Plans.Softmax(50, 90));
        ClientData data = RandomClient.ExamplesFor(plan);
        using ModelState model = ModelState.Initialize(plan.Model, Draw.Stream("model"));
        using ITrainingWorkspace workspace = new EmbeddedTrainer().CreateWorkspace(plan);
        Assert.Equal(0, workspace.Batches);
        var work = new ClientTask { Round = 1, Work = new LocalWork(0, 4), BatchSize = 3, LearningRate = 0.1, Weighting = new ClientWeighting(Uniform: true, 0) };
        await workspace.TrainAsync(new TrainTask(work, 1, 0, 1, model, plan.TrainLayout, null), "site", data, 4, RandomClient.State, TestContext.Current.CancellationToken);
        Assert.Equal(4, workspace.Batches);
        workspace.Evaluate(new EvaluateTask([DataSplit.Test], 1, 0, 1, model, plan.EvaluateLayout), "site", data, new InMemoryClientState());
        Assert.Equal(4 + (data.Test.Count + EmbeddedTrainer.EvaluationBatch - 1) / EmbeddedTrainer.EvaluationBatch, workspace.Batches);
    }

    private static float[] ReadAll(Update update)
    {
        var values = new List<float>();
        while (values.Count < update.Layout.VectorLength) values.AddRange(update.ReadBlock(values.Count));
        return [.. values];
    }

    /// <summary>Sends the model itself in place of its change.</summary>
    internal sealed record WholeModel : IStrategy
    {
        public UpdateLayout Layout(ModelSchema schema) => UpdateLayout.ForModel(schema);

        public ClientTask Plan(RoundContext round, ClientDescriptor client) => round.StandardTask;

        public IClientAlgorithm CreateClientAlgorithm(ClientTask task) => new Algorithm();

        public void Apply(UpdateSum sum, RoundContext round, ServerState state) => throw new NotSupportedException();

        private sealed class Algorithm : IClientAlgorithm
        {
            public ValueTask RunAsync(IClientContext context, Update update, CancellationToken ct)
            {
                for (int step = 0; step < context.Steps; step++) context.Model.TrainStep(0.1f);
                update.Weight = 1;
                update.WriteModelChange(new FlatVector(context.Global.Length), context.Model.Parameters);
                return ValueTask.CompletedTask;
            }
        }
    }
}
