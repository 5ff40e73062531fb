namespace FedCore.IntegrationTests;

/// <summary>A network that falls silent in the middle of an upload.</summary>
public class CutLineTests(Hospitals hospitals) : HospitalTests, IClassFixture<Hospitals>
{
    [Fact]
    public async Task An_upload_outlasts_a_line_that_is_silent_for_60_seconds_and_does_not_begin_anew()
    {
        Task cut = hospitals.Line.CutAfter(Hospitals.LargeUpdate / 2);
        await hospitals.FedcoreAsync(Hospitals.Create("cut", Hospitals.Large));
        await cut;
        long before = hospitals.Line.Sent;
        await Task.Delay(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        hospitals.Line.Mend();
        await hospitals.Site(Hospitals.Far).WaitForAsync("cut, round 1: the answer was sent");
        Assert.InRange(hospitals.Line.Sent - before, 1, Hospitals.LargeUpdate * 3 / 4);
        await hospitals.AssertLikeSimulationAsync("cut", Hospitals.Large);
    }
}
