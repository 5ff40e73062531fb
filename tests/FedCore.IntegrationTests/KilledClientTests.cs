namespace FedCore.IntegrationTests;

/// <summary>A client that is killed with SIGKILL, and started again.</summary>
public class KilledClientTests(Hospitals hospitals) : HospitalTests, IClassFixture<Hospitals>
{
    // What is under way when a line is cut, and what else a client says.
    private const long Slack = 1 << 20;

    private const string Trains = "training on", Sent = "the answer was sent";

    [Fact]
    public async Task Killed_while_it_trains_it_trains_again()
    {
        string[] changes = [.. Hospitals.Large, "--set", "training.steps=200"];
        await hospitals.FedcoreAsync(Hospitals.Create("training", changes));
        await hospitals.Site(Hospitals.Far).WaitForAsync(Trains);
        hospitals.Site(Hospitals.Far).Kill();
        hospitals.StartSite(Hospitals.Far);
        await hospitals.AssertLikeSimulationAsync("training", changes);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(50)]
    [InlineData(90)]
    public async Task Killed_while_it_uploads_it_goes_on_where_the_aggregator_has_it(int percent)
    {
        Task cut = hospitals.Line.CutAfter(Hospitals.LargeUpdate * percent / 100);
        await hospitals.FedcoreAsync(Hospitals.Create($"upload-{percent}", Hospitals.Large));
        await cut;
        hospitals.Site(Hospitals.Far).Kill();
        hospitals.Line.Mend();
        long before = hospitals.Line.Sent;
        Child second = hospitals.StartSite(Hospitals.Far);
        await second.WaitForAsync($"upload-{percent}, round 1: {Sent}");
        Assert.InRange(hospitals.Line.Sent - before, 1, Hospitals.LargeUpdate * (100 - percent) / 100 + Slack);

        // The next round's task comes over another connection than the acknowledgement, and may be there first.
        Assert.DoesNotContain($"upload-{percent}, round 1: {Trains}", second.Output, StringComparison.Ordinal);
        await hospitals.AssertLikeSimulationAsync($"upload-{percent}", Hospitals.Large);
    }

    [Fact]
    public async Task Killed_before_it_hears_the_acknowledgement_its_update_counts_once()
    {
        // So near the end that the rest needs no leave of the aggregator's, which would not be heard, and before the acknowledgement, which waits for the disk.
        Task cut = hospitals.Line.CutAfter(Hospitals.LargeUpdate * 999 / 1000, isOneWay: true);
        await hospitals.FedcoreAsync(Hospitals.Create("unheard", Hospitals.Large));
        await cut;
        using (Child watch = hospitals.Begin("run", "watch", "unheard", "--json")) await watch.WaitForAsync("\"setClosed\"");
        Child first = hospitals.Site(Hospitals.Far);
        Assert.DoesNotContain("unheard, round 1: the answer was sent", first.Output, StringComparison.Ordinal);
        first.Kill();
        hospitals.Line.Mend();
        hospitals.StartSite(Hospitals.Far);
        await hospitals.AssertLikeSimulationAsync("unheard", Hospitals.Large);
    }

    [Fact]
    public async Task Killed_when_a_run_has_ended_it_drops_what_it_kept_for_the_run()
    {
        const string over = "The run kept is over";
        string[] changes = ["--set", "rounds.count=2", "--set", """strategy={"type":"scaffold"}"""];
        await hospitals.FedcoreAsync(Hospitals.Create("kept", changes));
        await hospitals.AssertLikeSimulationAsync("kept", changes);

        // It may have heard of the end in time.
        Child first = hospitals.Site(Hospitals.Far);
        first.Kill();
        Child second = hospitals.StartSite(Hospitals.Far);
        if (!first.Output.Contains(over, StringComparison.Ordinal)) await second.WaitForAsync(over);
        Assert.Empty(hospitals.StatesOfFar);
    }

    [Fact]
    public async Task Killed_behind_the_acknowledgement_it_goes_on_with_the_next_round()
    {
        await hospitals.FedcoreAsync(Hospitals.Create("acknowledged", Hospitals.Large));
        await hospitals.Site(Hospitals.Far).WaitForAsync("acknowledged, round 1: the answer was sent");
        hospitals.Site(Hospitals.Far).Kill();
        hospitals.StartSite(Hospitals.Far);
        await hospitals.AssertLikeSimulationAsync("acknowledged", Hospitals.Large);
    }
}
