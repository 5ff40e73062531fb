using System.Net;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Web;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>How updates come, also over lines that break.</summary>
public class UploadTests
{
    private static readonly SmallRun Small = new(), Large = new(inputs: SmallRun.LargeInputs);

    [Fact]
    public async Task An_update_of_one_call_is_accepted_and_becomes_part_of_the_model()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("run", Small);
        Assert.Equal(new UploadState { Offset = Small.Update().Length, IsAccepted = true }, await north.AnswerAsync(await north.TaskAsync(), Small.Update()));
        Assert.Equal(RunPhase.Completed, (await aggregator.EndOfAsync("run")).Phase);
        Assert.Contains("\"contributors\":1", Assert.Single(await aggregator.ReceiptsAsync("run")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_upload_goes_on_where_it_stopped_also_behind_a_restart()
    {
        const int part = 100_000;
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Large);
        byte[] update = Large.Update();
        UploadHead head = SmallRun.HeadOf(task.TaskId, update);
        Assert.Equal(new UploadState(), await north.FindAsync(head));
        Assert.Equal(new UploadState { Offset = part }, await north.SendPartAsync(head, update, 0, part));
        Assert.Equal(new UploadState { Offset = 2 * part }, await north.SendPartAsync(head, update, part, part));
        await aggregator.RestartAsync();
        Assert.Equal(new UploadState { Offset = 2 * part }, await north.FindAsync(head));
        Assert.Equal(new UploadState { Offset = update.Length, IsAccepted = true }, await north.StreamAsync(head, update, 2 * part));
        Assert.Equal(RunPhase.Completed, (await aggregator.EndOfAsync("run")).Phase);
        Assert.Empty(aggregator.Log.Errors);
    }

    [Fact]
    public async Task An_update_that_was_acknowledged_counts_behind_a_restart()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite south = await aggregator.JoinedAsync("south");
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Small, south);
        Assert.True((await north.AnswerAsync(task, Small.Update())).IsAccepted);
        await aggregator.RestartAsync();
        Assert.True((await north.AnswerAsync(task, Small.Update())).IsAccepted);
        await south.AnswerAsync(await south.TaskAsync(), Small.Update());
        await aggregator.EndOfAsync("run");
        Assert.Contains("\"contributors\":2", Assert.Single(await aggregator.ReceiptsAsync("run")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Over_gRPC_Web_a_site_does_all_of_a_round()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite south = await aggregator.AddSiteAsync("south");
        await aggregator.CreateRunAsync("run", Large, south);
        using var handler = new GrpcWebHandler(GrpcWebMode.GrpcWeb, new SocketsHttpHandler());
        using GrpcChannel channel = GrpcChannel.ForAddress(aggregator.Address, new GrpcChannelOptions { HttpHandler = handler, HttpVersion = HttpVersion.Version11 });
        TestSite web = south.Over(channel.CreateCallInvoker());
        Assert.Equal("south", (await web.JoinAsync()).Site);
        TaskOffer task = await web.TaskAsync();
        Assert.Equal(task.Model.Length, (await web.DownloadAsync(task.Model.Digest)).Length);
        byte[] update = Large.Update();
        UploadHead head = SmallRun.HeadOf(task.TaskId, update);
        UploadState state = await web.FindAsync(head);
        while (!state.IsAccepted) state = await web.SendPartAsync(head, update, (int)state.Offset, (int)Math.Min(1 << 20, update.Length - state.Offset));
        Assert.Equal(RunPhase.Completed, (await aggregator.EndOfAsync("run")).Phase);
    }

    [Fact]
    public async Task A_stream_that_breaks_leaves_what_came()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Large);
        byte[] update = Large.Update();
        UploadHead head = SmallRun.HeadOf(task.TaskId, update);
        using (AsyncClientStreamingCall<Chunk, UploadState> call = north.Uploads.Send(north.Options()))
        {
            await call.RequestStream.WriteAsync(new Chunk { Head = head, Data = new(update, 0, 1 << 20) }, TestContext.Current.CancellationToken);

            // Whoever asks takes the upload over; so it is asked for only when all is there.
            await TestAggregator.UntilAsync(() => Task.FromResult(aggregator.HalfUploadsOf("run").Any(path => new FileInfo(path).Length > 1 << 20)));
        }

        Assert.Equal(new UploadState { Offset = 1 << 20 }, await north.FindAsync(head));
        Assert.True((await north.StreamAsync(head, update, 1 << 20)).IsAccepted);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(50)]
    [InlineData(2_000_000)]
    public async Task Who_begins_elsewhere_is_told_where_to_go_on(int offset)
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Large);
        byte[] update = Large.Update();
        UploadHead head = SmallRun.HeadOf(task.TaskId, update);
        await north.SendPartAsync(head, update, 0, 100);
        Assert.Equal(new UploadState { Offset = 100 }, await north.SendPartAsync(head, update, offset, 10));
        Assert.Equal(new UploadState { Offset = 100 }, await north.StreamAsync(head, update, offset));
        Assert.True((await north.StreamAsync(head, update, 100)).IsAccepted);
    }

    [Fact]
    public async Task An_update_that_comes_again_is_acknowledged_again_and_counts_once()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite south = await aggregator.JoinedAsync("south");
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Small, south);
        UploadHead head = SmallRun.HeadOf(task.TaskId, Small.Update());
        for (int i = 0; i < 3; i++) Assert.True((await north.AnswerAsync(task, Small.Update())).IsAccepted);
        Assert.True((await north.FindAsync(head)).IsAccepted);
        Assert.True((await north.StreamAsync(head, Small.Update())).IsAccepted);
        Assert.Contains("1 of 2 reports", (await aggregator.RunAsync("run")).Message, StringComparison.Ordinal);
        await south.AnswerAsync(await south.TaskAsync(), Small.Update());
        await aggregator.EndOfAsync("run");
        Assert.Contains("\"contributors\":2", Assert.Single(await aggregator.ReceiptsAsync("run")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Updates_that_come_twice_at_once_count_once()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Small, await aggregator.JoinedAsync("south"));
        UploadState[] states = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => north.AnswerAsync(task, Small.Update())));
        Assert.All(states, state => Assert.True(state.IsAccepted));
        await aggregator.RunAsync("run", run => run.Message.Contains("1 of 2 reports", StringComparison.Ordinal));
        Assert.Empty(aggregator.Log.Errors);
    }

    [Fact]
    public async Task Another_update_for_an_answered_task_is_refused()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Small, await aggregator.JoinedAsync("south"));
        await north.AnswerAsync(task, Small.Update());
        byte[] other = Small.Update(0.02f);
        await Refusal.ThrowsAsync(StatusCode.AlreadyExists, "update.other", () => north.AnswerAsync(task, other));
        await Refusal.ThrowsAsync(StatusCode.AlreadyExists, "update.other", () => north.StreamAsync(SmallRun.HeadOf(task.TaskId, other), other));
    }

    [Fact]
    public async Task Nobody_waits_for_an_update_of_a_round_that_has_ended()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer first) = await aggregator.AskAsync(new SmallRun(rounds: 2));
        await north.AnswerAsync(first, Small.Update());
        TaskOffer second = await north.TaskAsync(first.TaskId);
        Assert.Equal(2, second.Round);
        await Refusal.ThrowsAsync(StatusCode.FailedPrecondition, "task.unwanted", () => north.AnswerAsync(first, Small.Update(0.02f)));
        Assert.Contains(first.TaskId, (await north.Poll(first.TaskId, second.TaskId)).UnwantedTasks);
    }

    [Fact]
    public async Task A_half_upload_goes_with_its_task()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Large, await aggregator.JoinedAsync("south"));
        byte[] update = Large.Update();
        await north.SendPartAsync(SmallRun.HeadOf(task.TaskId, update), update, 0, 1000);
        Assert.Single(aggregator.HalfUploadsOf("run"));
        await north.Edge.DeclineTaskAsync(new DeclineRequest { TaskId = task.TaskId, Reason = "client.memory" }, north.Options());
        Assert.Empty(aggregator.HalfUploadsOf("run"));
    }

    [Fact]
    public async Task Of_calls_that_take_an_upload_from_each_other_each_is_answered_or_told_to_come_again()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Large);
        byte[] update = Large.Update();
        UploadHead head = SmallRun.HeadOf(task.TaskId, update);
        await north.SendPartAsync(head, update, 0, 1000);
        string[] answers = await Task.WhenAll(Enumerable.Range(0, 1000).Select(async i =>
        {
            try
            {
                return $"{(await (i % 2 == 0 ? north.FindAsync(head) : north.SendPartAsync(head, update, 0, 10))).Offset}";
            }
            catch (RpcException fault)
            {
                return $"{fault.StatusCode}";
            }
        }));
        Assert.All(answers, answer => Assert.Contains(answer, (string[])["1000", "Aborted"]));
        Assert.Empty(aggregator.Log.Errors);
    }

    [Fact]
    public async Task What_was_begun_for_a_task_that_another_update_answered_goes_with_the_round()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Small);
        Assert.Equal(new UploadState(), await north.FindAsync(SmallRun.HeadOf(task.TaskId, Small.Update(0.02f))));
        Assert.Single(aggregator.HalfUploadsOf("run"));
        Assert.True((await north.AnswerAsync(task, Small.Update())).IsAccepted);
        await aggregator.EndOfAsync("run");
        await TestAggregator.UntilAsync(() => Task.FromResult(aggregator.HalfUploadsOf("run").Length == 0));
    }

    [Fact]
    public async Task A_site_has_no_more_on_the_disk_than_its_task_needs()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Large);
        for (int i = 0; i < 20; i++)
        {
            byte[] update = Large.Update(i);
            await north.SendPartAsync(SmallRun.HeadOf(task.TaskId, update), update, 0, 1000);
        }

        Assert.Single(aggregator.HalfUploadsOf("run"));
    }
}
