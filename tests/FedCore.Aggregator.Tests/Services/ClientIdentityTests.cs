using FedCore.Protocol.V1;
using Grpc.Core;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>One site, one client: which of two with the same token speaks for it.</summary>
public class ClientIdentityTests
{
    private const int Liveness = 10;

    [Fact]
    public async Task A_second_client_is_refused_until_the_first_is_gone()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite first = await aggregator.AddSiteAsync("north"), second = first.Other();
        await first.JoinAsync();
        await Refusal.ThrowsAsync(StatusCode.AlreadyExists, "client.duplicate", second.JoinAsync);
        Assert.Equal("north", (await first.JoinAsync()).Site);
        aggregator.Clock.Pass(TimeSpan.FromSeconds(Liveness));
        Assert.Equal("north", (await second.JoinAsync()).Site);
        await Refusal.ThrowsAsync(StatusCode.AlreadyExists, "client.duplicate", first.JoinAsync);
    }

    [Fact]
    public async Task A_client_that_waits_for_work_is_not_gone()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite first = await aggregator.AddSiteAsync("north");
        using AsyncUnaryCall<NextTaskReply> poll = first.Poll();
        await aggregator.PollIsOpenAsync("north");
        await Refusal.ThrowsAsync(StatusCode.AlreadyExists, "client.duplicate", first.Other().JoinAsync);
        Assert.False(poll.ResponseAsync.IsCompleted);
    }

    [Fact]
    public async Task A_client_that_hangs_up_makes_room()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite first = await aggregator.AddSiteAsync("north");
        using (first.Poll()) await aggregator.PollIsOpenAsync("north");
        await TestAggregator.UntilAsync(async () => !(await aggregator.SiteAsync("north")).IsConnected);
        Assert.Equal("north", (await first.Other().JoinAsync()).Site);
    }

    [Fact]
    public async Task A_client_that_was_started_anew_takes_the_place_of_its_old_self()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite old = await aggregator.AddSiteAsync("north");
        using AsyncUnaryCall<NextTaskReply> poll = old.Poll();
        await aggregator.PollIsOpenAsync("north");
        TestSite anew = old.Restarted();
        Assert.Equal("north", (await anew.JoinAsync()).Site);
        Assert.Null((await poll).Task);
        await Refusal.ThrowsAsync(StatusCode.AlreadyExists, "client.duplicate", old.JoinAsync);
        Assert.Equal("north", (await anew.JoinAsync()).Site);
    }

    [Fact]
    public async Task Of_a_data_folder_and_its_copy_the_one_that_was_not_started_last_is_refused()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite original = await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("run", new SmallRun());
        TaskOffer task = await original.TaskAsync();
        TestSite copy = original.Restarted();
        Assert.Equal(task.TaskId, (await copy.TaskAsync()).TaskId);
        await Refusal.ThrowsAsync(StatusCode.AlreadyExists, "client.duplicate", () => original.AnswerAsync(task, new SmallRun().Update()));

        // Also when neither is heard of for long.
        aggregator.Clock.Pass(TimeSpan.FromMinutes(1));
        await Refusal.ThrowsAsync(StatusCode.AlreadyExists, "client.duplicate", original.JoinAsync);
    }

    [Fact]
    public async Task Of_two_copies_of_a_data_folder_that_start_alike_the_second_is_refused()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite original = await aggregator.AddSiteAsync("north"), copy = original.Copied();
        await original.JoinAsync();
        RpcException refused = await Assert.ThrowsAsync<RpcException>(copy.JoinAsync);
        Assert.Equal(StatusCode.AlreadyExists, refused.StatusCode);
        Assert.Contains("a copy of the same data folder", refused.Status.Detail, StringComparison.Ordinal);
        Assert.Equal("north", (await original.JoinAsync()).Site);
    }

    [Fact]
    public async Task An_older_copy_is_refused_also_when_the_newer_client_has_hung_up()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite old = await aggregator.AddSiteAsync("north"), newer = old.Restarted();
        using (newer.Poll()) await aggregator.PollIsOpenAsync("north");
        await TestAggregator.UntilAsync(async () => !(await aggregator.SiteAsync("north")).IsConnected);
        await Refusal.ThrowsAsync(StatusCode.AlreadyExists, "client.duplicate", old.JoinAsync);
        Assert.Equal("north", (await newer.JoinAsync()).Site);
    }

    [Theory]
    [InlineData(101, 0, 0, "software")]
    [InlineData(1, -1, 0, "cores")]
    [InlineData(1, 0, -1, "memory_bytes")]
    public async Task A_site_that_says_what_cannot_be_is_told_so(int software, int cores, long memory, string field)
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        var request = new JoinRequest { Software = new string('x', software), Cores = cores, MemoryBytes = memory };
        Assert.Equal(field, (await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "request.invalid", async () => await north.Edge.JoinAsync(request, north.Options()))).Field);
    }

    private static Task<TestAggregator> StartAsync() => TestAggregator.StartAsync(settings => settings with { LivenessSeconds = Liveness });
}
