using System.Text.Json;

namespace FedCore.IntegrationTests;

/// <summary>Secure sums of four hospitals, when the aggregator, or it and a hospital, is killed with SIGKILL between two rounds of the protocol.</summary>
public class SecureSumTests(Hospitals hospitals) : HospitalTests, IClassFixture<Hospitals>
{
    private const string Opened = "sumOpened", Closed = "sumStageClosed";

    private static readonly string[] Short = ["--set", "rounds.count=2"];

    /// <summary>Behind which event the aggregator is killed: of the sum of the first round's updates, of that of its evaluation, and around them.</summary>
    public static TheoryData<string, int> Deaths { get; } =
        [(Opened, 1), (Closed, 1), (Closed, 2), (Closed, 3), (Closed, 4), (Opened, 2), (Closed, 5), (Closed, 6), (Closed, 7), (Closed, 8), ("replyTaken", 2), ("setClosed", 1), ("roundEnded", 1), ("evaluationEnded", 1)];

    [Theory]
    [MemberData(nameof(Deaths))]
    public async Task Where_the_aggregator_is_killed_between_two_rounds_of_the_protocol_the_sum_is_the_same(string kind, int number)
    {
        string run = $"sum-{kind.ToLowerInvariant()}-{number}";
        await hospitals.StartAsync(kind, $"{number}");
        using (hospitals.Begin(Hospitals.Create(run, Short))) await hospitals.DeathAsync();
        await hospitals.StartAsync();
        await hospitals.AssertLikeSimulationAsync(run, Short);
        Assert.All(await hospitals.ReceiptsAsync(run), receipt =>
        {
            JsonElement sum = receipt.GetProperty("secureAggregation");
            Assert.Equal((1, 4, "curious server only"), (sum.GetProperty("attempt").GetInt32(), sum.GetProperty("survivors").GetInt32(), sum.GetProperty("identities").GetString()));
        });
    }

    // A hospital's keys for a session are in its memory only. Behind its masked input it is in the sum all the same, and the others unmask it.
    [Theory]
    [InlineData(1, 3)]
    [InlineData(2, 3)]
    [InlineData(3, 4)]
    [InlineData(4, 4)]
    public async Task Where_a_hospital_is_killed_too_the_sum_is_that_of_those_who_sent_their_masked_inputs(int closed, int survivors)
    {
        string run = $"both-{closed}";
        await hospitals.StartAsync(Closed, $"{closed}");
        using (hospitals.Begin(Hospitals.Create(run, Short))) await hospitals.DeathAsync();
        hospitals.Site(Hospitals.Far).Kill();
        await hospitals.StartAsync();
        hospitals.StartSite(Hospitals.Far);
        await hospitals.FedcoreAsync("run", "watch", run, "--json");
        JsonElement[] receipts = await hospitals.ReceiptsAsync(run);
        Assert.Equal([survivors, 4], receipts.Select(receipt => receipt.GetProperty("secureAggregation").GetProperty("survivors").GetInt32()));
        Assert.Equal([survivors, 4], receipts.Select(receipt => receipt.GetProperty("contributors").GetInt32()));
        string?[] reasons = [.. receipts[0].GetProperty("clients").EnumerateArray().Select(client => client.GetProperty("reason").GetString()).Where(reason => reason is not null)];
        Assert.Equal(survivors == 4 ? [] : ["secagg.session-lost"], reasons);
    }

    // Which round of the protocol it is in when it is killed is chance; in none of them is the run lost.
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Where_a_hospital_alone_is_killed_the_run_goes_on(int closed)
    {
        string run = $"alone-{closed}";
        await hospitals.StartAsync();
        hospitals.StartSite(Hospitals.Far);
        await hospitals.Site(Hospitals.Far).WaitForAsync("Joined ");
        await hospitals.FedcoreAsync(Hospitals.Create(run, "--set", "rounds.count=4"));
        using (Child watch = hospitals.Begin("run", "watch", run, "--json"))
        {
            await watch.WaitForAsync("\"sumStageClosed\"", closed);
            hospitals.Site(Hospitals.Far).Kill();
            hospitals.StartSite(Hospitals.Far);
            await watch.EndAsync();
        }

        JsonElement[] receipts = await hospitals.ReceiptsAsync(run);
        Assert.Equal(4, receipts.Length);
        Assert.All(receipts, receipt => Assert.InRange(receipt.GetProperty("contributors").GetInt32(), 3, 4));
        Assert.Equal(4, receipts[^1].GetProperty("contributors").GetInt32());
    }
}
