using System.Buffers.Binary;
using FedCore.Protocol.V1;
using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>What is no update of its task.</summary>
public class UploadFaultTests
{
    private static readonly SmallRun Small = new(), Large = new(inputs: SmallRun.LargeInputs);

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(long.MinValue)]
    [InlineData(2_500_000)]
    [InlineData(long.MaxValue)]
    public async Task A_length_that_no_update_of_the_task_has_takes_no_room(long length)
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Large);
        byte[] update = Large.Update();
        UploadHead head = SmallRun.HeadOf(task.TaskId, update);
        head.Length = length;
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "update.length", () => north.FindAsync(head));
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "update.length", () => north.SendPartAsync(head, update, 0, 10));
        Fault fault = await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "update.length", () => north.StreamAsync(head, update));
        Assert.Equal("head.length", fault.Field);
        Assert.Empty(aggregator.HalfUploadsOf("run"));
    }

    [Fact]
    public async Task More_bytes_than_were_announced_are_refused_and_what_was_there_stays()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Large);
        byte[] update = Large.Update();
        UploadHead head = SmallRun.HeadOf(task.TaskId, update);
        await north.StreamAsync(head, update[..^10]);
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "update.length", () => north.SendPartAsync(head, [.. update, 1], update.Length - 10));
        Assert.True((await north.SendPartAsync(head, update, update.Length - 10)).IsAccepted);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Bytes_of_another_digest_are_refused_and_the_task_stays(bool isLarge)
    {
        SmallRun run = isLarge ? Large : Small;
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(run);

        // Damaged on the way, so that it is not even a number.
        byte[] update = run.Update(), damaged = run.Update(float.NaN);
        UploadHead head = SmallRun.HeadOf(task.TaskId, update);
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "update.digest", () => isLarge ? north.StreamAsync(head, damaged) : north.SendPartAsync(head, damaged));
        Assert.Equal(new UploadState(), await north.FindAsync(head));
        Assert.True((await north.StreamAsync(head, update)).IsAccepted);
    }

    [Theory]
    [InlineData(float.NaN, false)]
    [InlineData(float.PositiveInfinity, false)]
    [InlineData(float.NegativeInfinity, true)]
    public async Task An_update_that_is_not_finite_ends_its_task(float value, bool isLarge)
    {
        SmallRun run = isLarge ? Large : Small;
        byte[] update = run.Update(value);
        await AssertEndsItsTaskAsync(run, update, "update.not-finite");
    }

    // The second part begins behind the number that is none.
    [Fact]
    public async Task What_came_before_the_aggregator_was_restarted_is_checked_too()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite south = await aggregator.JoinedAsync("south");
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Large, south);
        byte[] update = Large.Update();
        BinaryPrimitives.WriteSingleLittleEndian(update.AsSpan(1_000), float.NaN);
        UploadHead head = SmallRun.HeadOf(task.TaskId, update);
        await north.StreamAsync(head, update[..1_000_000]);
        await aggregator.RestartAsync();
        Assert.Equal(new UploadState { Offset = 1_000_000 }, await north.FindAsync(head));
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "update.not-finite", () => north.StreamAsync(head, update, 1_000_000));
        Assert.Empty(aggregator.HalfUploadsOf("run"));
    }

    [Fact]
    public async Task A_weight_that_is_not_finite_ends_the_task()
    {
        byte[] update = Small.Update();
        BinaryPrimitives.WriteDoubleLittleEndian(update, double.NaN);
        await AssertEndsItsTaskAsync(Small, update, "update.not-finite");
    }

    [Theory]
    [InlineData("examples", null, 1e30, false)]
    [InlineData("examples", null, -1e9, false)]
    [InlineData("examples", null, 0.0, true)]
    [InlineData("examples", 100L, 2.0, false)]
    [InlineData("uniform", null, 2.0, false)]
    [InlineData("uniform", null, 1e30, true)]
    public async Task A_weight_that_no_site_has_ends_the_task(string weightBy, long? maxExamples, double weight, bool isLarge)
    {
        var run = new SmallRun(inputs: isLarge ? SmallRun.LargeInputs : 4, weightBy: weightBy, maxExamples: maxExamples);
        await AssertEndsItsTaskAsync(run, run.Update(weight: weight), "update.weight");
    }

    [Fact]
    public async Task Where_a_strategy_has_weights_of_its_own_one_below_0_ends_the_task()
    {
        var run = new SmallRun(strategy: "qfedavg");
        await AssertEndsItsTaskAsync(run, run.Update(weight: -1e9), "update.weight");
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(run);
        Assert.True((await north.AnswerAsync(task, run.Update(weight: 0.25))).IsAccepted);
    }

    [Fact]
    public async Task An_update_that_is_too_short_for_its_layout_ends_the_task()
    {
        await AssertEndsItsTaskAsync(Small, Small.Update()[..^1], "update.encoding");
        await AssertEndsItsTaskAsync(Large, Large.Update()[..^1], "update.encoding");
    }

    [Fact]
    public async Task Places_behind_the_model_end_the_task()
    {
        var run = new SmallRun(inputs: 100, transforms: [new { type = "topK", share = 0.1 }]);
        byte[] update = new byte[run.Plan.WireCodec.MaxByteLength];
        update.AsSpan().Fill(0x7f);
        for (int i = 0; i < run.Plan.TrainLayout.ScalarCount; i++) BinaryPrimitives.WriteDoubleLittleEndian(update.AsSpan(8 * i), 1);
        await AssertEndsItsTaskAsync(run, update, "update.encoding");
    }

    [Fact]
    public async Task A_task_that_is_not_the_sites_own_is_unwanted()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north"), south = await aggregator.AddSiteAsync("south");
        await aggregator.CreateRunAsync("run", Small, north);
        TaskOffer task = await north.TaskAsync();
        await Refusal.ThrowsAsync(StatusCode.FailedPrecondition, "task.unwanted", () => south.AnswerAsync(task, Small.Update()));
        await Refusal.ThrowsAsync(StatusCode.FailedPrecondition, "task.unwanted", () => south.FindAsync(SmallRun.HeadOf(task.TaskId, Small.Update())));
        await south.Edge.DeclineTaskAsync(new DeclineRequest { TaskId = task.TaskId, Reason = "client.memory" }, south.Options());
        Assert.True((await south.Edge.ReportProgressAsync(new ProgressRequest { TaskId = task.TaskId }, south.Options())).IsUnwanted);
        Assert.Contains(task.TaskId, (await south.Poll(task.TaskId)).UnwantedTasks);
        Assert.True((await north.AnswerAsync(task, Small.Update())).IsAccepted);
    }

    [Theory]
    [InlineData("")]
    [InlineData("0123456789abcdef0123456789abcde")]
    [InlineData("0123456789ABCDEF0123456789ABCDEF")]
    [InlineData("0123456789abcdef0123456789abcdef\n")]
    [InlineData("../../../../../../../../etc/fstab")]
    public async Task What_is_no_name_of_a_task_is_refused(string id)
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        Func<Task>[] calls =
        [
            () => north.FindAsync(SmallRun.HeadOf(id, Small.Update())),
            () => north.SendPartAsync(SmallRun.HeadOf(id, Small.Update()), Small.Update()),
            () => north.StreamAsync(SmallRun.HeadOf(id, Small.Update()), Small.Update()),
            async () => await north.Poll(id),
            async () => await north.Edge.ReportProgressAsync(new ProgressRequest { TaskId = id }, north.Options()),
            async () => await north.Edge.DeclineTaskAsync(new DeclineRequest { TaskId = id, Reason = "client.memory" }, north.Options()),
        ];
        foreach (Func<Task> call in calls) await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "request.invalid", call);
    }

    [Fact]
    public async Task Fields_that_nobody_knows_change_nothing_about_an_update()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Small);
        UploadHead head = SmallRun.HeadOf(task.TaskId, Small.Update());

        // Field 99, ten thousand bytes.
        head.MergeFrom((byte[])[0x9a, 0x06, 0x90, 0x4e, .. new byte[10_000]]);
        Assert.True((await north.SendPartAsync(head, Small.Update())).IsAccepted);
    }

    private static async Task AssertEndsItsTaskAsync(SmallRun run, byte[] update, string code)
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite south = await aggregator.JoinedAsync("south");
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(run, south);
        UploadHead head = SmallRun.HeadOf(task.TaskId, update);
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, code, () => north.StreamAsync(head, update));
        await Refusal.ThrowsAsync(StatusCode.FailedPrecondition, "task.unwanted", () => north.StreamAsync(head, update));
        await south.Edge.DeclineTaskAsync(new DeclineRequest { TaskId = (await south.TaskAsync()).TaskId, Reason = "client.memory" }, south.Options());
        await aggregator.EndOfAsync("run");
        Assert.Contains($"\"outcome\":\"refused\",\"reason\":\"{code}\"", Assert.Single(await aggregator.ReceiptsAsync("run")), StringComparison.Ordinal);
    }
}
