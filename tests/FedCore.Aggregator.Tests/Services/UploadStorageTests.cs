using FedCore.Protocol.V1;
using Grpc.Core;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>What a full disk, or a journal that loses facts, makes of updates.</summary>
public class UploadStorageTests
{
    private static readonly SmallRun Small = new(), Large = new(inputs: SmallRun.LargeInputs);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Where_the_disk_is_full_the_site_is_told_and_sends_again_when_there_is_room(bool isLarge)
    {
        SmallRun run = isLarge ? Large : Small;
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(run);
        byte[] update = run.Update();
        UploadHead head = SmallRun.HeadOf(task.TaskId, update);
        aggregator.Disk.OnSync = () => throw new IOException("No space left on device", 28);
        for (int i = 0; i < 3; i++)
            await Refusal.ThrowsAsync(StatusCode.ResourceExhausted, "spool.full", () => isLarge ? north.StreamAsync(head, update) : north.SendPartAsync(head, update));
        Assert.Equal("north", (await north.JoinAsync()).Site);
        aggregator.Disk.OnSync = null;
        Assert.True((await north.StreamAsync(head, update)).IsAccepted);
        Assert.Equal(RunPhase.Completed, (await aggregator.EndOfAsync("run")).Phase);
        Assert.Empty(aggregator.Log.Errors);
    }

    [Fact]
    public async Task A_disk_that_fails_is_no_fault_of_the_sites()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Small);
        aggregator.Disk.OnSync = TestDisk.Fail;
        await Refusal.ThrowsAsync(StatusCode.Unavailable, "spool.sync", () => north.AnswerAsync(task, Small.Update()));
        aggregator.Disk.OnSync = null;
        Assert.True((await north.AnswerAsync(task, Small.Update())).IsAccepted);
    }

    // A fault behind the third round must leave the models of the rounds before it.
    [Theory]
    [InlineData("roundOpened", false)]
    [InlineData("replyTaken", false)]
    [InlineData("roundEnded", false)]
    [InlineData("roundEnded", true)]
    public async Task A_run_goes_on_behind_a_fault_that_passes(string kind, bool isOfTheDisk)
    {
        const int rounds = 6;
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("run", new SmallRun(rounds: rounds), north);
        int passed = 0, faults = 0;
        for (int round = 1; round <= rounds; round++)
        {
            TaskOffer task = await north.TaskAsync();
            Assert.Equal(round, task.Round);
            if (round == 4)
            {
                if (isOfTheDisk) aggregator.Disk.OnSync = () => { if (passed++ > 0 && faults++ < 2) throw new IOException("No space left on device", 28); };
                else aggregator.Journal.Loses = (stream, what) => stream == "run/run" && what == kind && faults++ == 0;
            }

            Assert.True((await north.AnswerAsync(task, Small.Update())).IsAccepted);
        }

        Run run = await aggregator.EndOfAsync("run");
        Assert.Equal((RunPhase.Completed, rounds), (run.Phase, run.Round));
        Assert.InRange(faults, 1, int.MaxValue);
        Assert.All(await aggregator.ReceiptsAsync("run"), receipt => Assert.Contains("\"contributors\":1", receipt, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("replyTaken")]
    [InlineData("setClosed")]
    [InlineData("roundEnded")]
    public async Task An_acknowledged_update_counts_also_where_the_journal_loses_what_follows(string kind)
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Small);
        int losses = 0;
        aggregator.Journal.Loses = (stream, what) => stream == "run/run" && what == kind && losses++ == 0;
        Assert.True((await north.AnswerAsync(task, Small.Update())).IsAccepted);
        Assert.Equal(RunPhase.Completed, (await aggregator.EndOfAsync("run")).Phase);
        Assert.InRange(losses, 1, int.MaxValue);
        Assert.Contains("\"contributors\":1", Assert.Single(await aggregator.ReceiptsAsync("run")), StringComparison.Ordinal);
    }
}
