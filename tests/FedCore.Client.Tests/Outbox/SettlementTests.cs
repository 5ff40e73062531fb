using FedCore.Client.Tests.Fakes;
using FedCore.Numerics;
using FedCore.Protocol.V1;
using FedCore.Strategies;
using FedCore.Tests;
using Grpc.Core;

namespace FedCore.Client.Tests.Outbox;

/// <summary>What a site learns from round to round counts where its updates do: SCAFFOLD's control variates.</summary>
public sealed class SettlementTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_was_learned_is_kept_only_where_the_update_counts(bool counts)
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, new Scaffold());
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        TaskOffer task = run.Train(1);
        await aggregator.AcceptedAsync(task.TaskId);
        await aggregator.WaitAsync(() => aggregator.Messages<NextTaskRequest>().Any(request => request.UnsettledTasks.Count > 0));
        UnsettledTask unsettled = aggregator.Messages<NextTaskRequest>().Last(request => request.UnsettledTasks.Count > 0).UnsettledTasks.Single();
        Assert.Equal((task.TaskId, "run", 1, 0), (unsettled.TaskId, unsettled.RunId, unsettled.Round, unsettled.Position));
        Assert.Empty(StateFiles());
        aggregator.Settlement = _ => counts;
        aggregator.Beat();
        await aggregator.WaitAsync(() => client.Log.Has(304) || client.Log.Has(305));
        Assert.Empty(client.Outbox.Unsettled);
        Assert.Equal(counts, client.Log.Has(304));
        Assert.Equal(!counts, client.Log.Has(305));
        Assert.Equal(counts ? ["control.f32", "update.json"] : [], StateFiles());
        Assert.Empty(Directory.EnumerateDirectories(_folder["unsettled"]));
    }

    // What the server says in the reply that brings the next task comes before the task, also where the acknowledgement came while the site was asking already.
    [Fact]
    public async Task The_next_round_begins_from_what_was_learned_in_the_last()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, new Scaffold());
        var seen = new List<float[]>();
        TaskOffer? second = null;
        aggregator.OnAccepted = (upload, _) =>
        {
            // The round ends and the next one opens before the site knows that its update has come.
            aggregator.Settlement = task => task.Round == 1 ? true : null;
            second ??= run.Train(2);
            return Task.CompletedTask;
        };
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        run.Train(1);
        await aggregator.WaitAsync(() => second is not null);
        byte[] update = await aggregator.AcceptedAsync(second!.TaskId);

        // By hand: two rounds with one state.
        using var state = new InMemoryClientState();
        using Training.ITrainingWorkspace workspace = new Training.Engine.EmbeddedTrainer().CreateWorkspace(run.Plan);
        Training.Data.DataPool pool = await new SmallData().LoadAsync(new Training.Data.DataRequest(run.Plan, null!), TestContext.Current.CancellationToken);
        Training.Data.ClientData data = Training.Data.SiteData.Of(run.Plan, pool, FakeAggregator.Site);
        using var control = new FlatVector(run.Plan.Model.Schema.TrainableCount);
        using UpdateEncoderOf encoder = new(run.Plan);
        byte[] expected = [];
        for (int round = 1; round <= 2; round++)
        {
            ClientTask work = run.Plan.Definition.Strategy.Plan(new RoundContext(run.Plan, round, 1), new Rounds.ClientDescriptor(0, new Rounds.ClientId(FakeAggregator.Site)));
            var task = new Rounds.TrainTask(work, round, 0, 1, run.Model, run.Plan.TrainLayout, null) { Broadcasts = new Dictionary<string, FlatVector> { ["control"] = control } };
            expected = encoder.Encode(await workspace.TrainAsync(task, FakeAggregator.Site, data, work.StepsFor(data.Train.Count), state, TestContext.Current.CancellationToken), state, round);
        }

        Assert.Equal(expected, update);
    }

    // The aggregator has the update, and the client does not know it: then it is told that nobody waits for it any more.
    [Fact]
    public async Task What_was_learned_for_an_update_whose_acknowledgement_was_lost_is_settled_all_the_same()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, new Scaffold());
        aggregator.OnAccepted = (upload, context) =>
        {
            aggregator.Uploads.TryRemove(upload.Head.TaskId, out _);
            aggregator.Settlement = _ => true;
            context.GetHttpContext().Abort();
            return Task.CompletedTask;
        };
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        run.Train(1);
        await aggregator.WaitForCallsAsync("SendPart", 1);
        await aggregator.WaitAsync(() => client.Log.Has(304));
        Assert.Equal(["control.f32", "update.json"], StateFiles());
    }

    [Fact]
    public async Task A_run_that_begins_anew_under_its_old_name_begins_without_what_was_learned()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, new Scaffold());
        aggregator.Settlement = _ => true;
        byte[][] updates = new byte[2][];
        for (int life = 0; life < 2; life++)
        {
            await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
            TaskOffer task = run.Train(1);
            updates[life] = await aggregator.AcceptedAsync(task.TaskId);
            await aggregator.WaitAsync(() => client.Log.Has(304));
            Assert.Equal(life == 1, client.Log.Has(212));
            aggregator.Uploads.Clear();
        }

        Assert.Equal(updates[0], updates[1]);
    }

    [Fact]
    public async Task Where_the_aggregator_does_not_know_either_the_site_goes_on_from_what_counts()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, new Scaffold());
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        TaskOffer first = run.Train(1), second = run.Train(1, position: 1);
        await aggregator.AcceptedAsync(first.TaskId);
        await aggregator.AcceptedAsync(second.TaskId);
        await aggregator.WaitAsync(() => client.Outbox.Unsettled.Count == 2);
        Assert.Equal([first.TaskId, second.TaskId], client.Outbox.Unsettled.Select(record => record.Task));
    }

    private string[] StateFiles() => [.. Directory.EnumerateFiles(_folder["state"], "*", SearchOption.AllDirectories).Select(path => Path.GetFileName(path)!).Order()];

    private sealed class UpdateEncoderOf(Rounds.RunPlan plan) : IDisposable
    {
        private readonly Compression.UpdateEncoder _encoder = plan.WireCodec.CreateEncoder();

        public byte[] Encode(Updates.Update update, IClientState state, int round)
        {
            var bytes = new System.Buffers.ArrayBufferWriter<byte>();
            _encoder.Encode(update, state, round, plan.Random.Stream("rounding", round, FakeAggregator.Site), bytes);
            return bytes.WrittenSpan.ToArray();
        }

        public void Dispose() => _encoder.Dispose();
    }
}
