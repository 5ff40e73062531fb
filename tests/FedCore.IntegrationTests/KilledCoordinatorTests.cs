namespace FedCore.IntegrationTests;

/// <summary>An aggregator that is killed when it has written down what a coordinator did.</summary>
public class KilledCoordinatorTests(Hospitals hospitals) : HospitalTests, IClassFixture<Hospitals>
{
    [Fact]
    public async Task A_run_that_was_paused_before_the_kill_is_paused_behind_it()
    {
        await hospitals.StartAsync("RunHeld", "1");
        await hospitals.FedcoreAsync(Hospitals.Create("paused", "--set", "rounds.count=30"));
        using (hospitals.Begin("run", "pause", "paused")) await hospitals.DeathAsync();
        await hospitals.StartAsync("RunHeld", "1");
        using (hospitals.Begin("run", "resume", "paused")) await hospitals.DeathAsync();
        await hospitals.StartAsync();
        await hospitals.AssertLikeSimulationAsync("paused", "--set", "rounds.count=30");
    }

    [Fact]
    public async Task A_run_that_was_cancelled_before_the_kill_stays_cancelled()
    {
        await hospitals.StartAsync("RunCancelled", "1");
        await hospitals.FedcoreAsync(Hospitals.Create("cancelled", "--set", "rounds.count=1000000"));
        using (hospitals.Begin("run", "cancel", "cancelled")) await hospitals.DeathAsync();
        await hospitals.StartAsync();
        Assert.Equal("cancelled", (await hospitals.RunAsync("cancelled")).GetProperty("phase").GetString());
    }

    [Theory]
    [InlineData("SiteAdded", "add", "fifth")]
    [InlineData("TokenReplaced", "token", "sixth")]
    public async Task What_was_written_of_a_site_before_the_kill_holds_and_its_coordinator_draws_another_token(string kind, string verb, string site)
    {
        await hospitals.StartAsync(kind, "1");
        if (verb == "token") await hospitals.FedcoreAsync("site", "add", site);
        using (hospitals.Begin("site", verb, site)) await hospitals.DeathAsync();
        await hospitals.StartAsync();
        Assert.NotEmpty(await hospitals.FedcoreAsync("site", "token", site));
    }
}
