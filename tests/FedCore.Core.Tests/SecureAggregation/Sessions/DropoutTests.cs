using FedCore.SecureAggregation;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Sessions;

namespace FedCore.Core.Tests.SecureAggregation.Sessions;

public class DropoutTests
{
    private static readonly SessionStage[] Stages = [SessionStage.Advertise, SessionStage.Share, SessionStage.Mask, SessionStage.Confirm, SessionStage.Unmask];

    // Five clients may lose one: nobody, or any one of them at any of the five stages.
    [Fact]
    public async Task Of_five_clients_whoever_vanishes_the_sum_is_exactly_the_survivors()
    {
        using var federation = new Federation(5);
        await AssertExactAsync(federation, []);
        foreach (string name in federation.Names)
            foreach (SessionStage stage in Stages) await AssertExactAsync(federation, new() { [name] = stage });
    }

    // Eight clients may lose two, at whichever stages: forty patterns, drawn once and for all.
    [Fact]
    public async Task Of_eight_clients_two_may_vanish_at_any_stages()
    {
        using var federation = new Federation(8);
        var random = new Random(8);
        for (int i = 0; i < 40; i++) await AssertExactAsync(federation, Draw(federation, random, 2));
    }

    [Theory]
    [InlineData(13, 3)]
    [InlineData(34, 2)]
    [InlineData(60, 1)]
    [InlineData(100, 1)]
    [InlineData(200, 1)]
    public async Task The_sum_is_exactly_the_survivors_in_complete_and_in_sparse_graphs(int clients, int sessions)
    {
        using var federation = new Federation(clients);
        var random = new Random(clients);
        for (int i = 0; i < sessions; i++) await AssertExactAsync(federation, Draw(federation, random, clients - federation.Terms().LeastSurvivors(clients)));
    }

    // Cohorts of all sizes, each with as many lost as may be and at any stages: thirty of them, drawn once and for all.
    [Fact]
    [Trait("Category", "Slow")]
    public async Task Of_8_to_200_clients_as_many_as_may_vanish_and_the_sum_is_exactly_the_survivors()
    {
        var random = new Random(200);
        for (int i = 0; i < 30; i++)
        {
            using var federation = new Federation(8 + (int)(192 * Math.Pow(i / 29.0, 2)));
            int most = federation.Names.Count - federation.Terms().LeastSurvivors(federation.Names.Count);
            string[] names = [.. federation.Names];
            random.Shuffle(names);
            await AssertExactAsync(federation, names.Take(most).ToDictionary(name => name, _ => Stages[random.Next(Stages.Length)]));
        }
    }

    [Fact]
    public async Task One_too_many_lost_fails_the_round_and_names_who_is_missing()
    {
        using var federation = new Federation(8);
        foreach ((SessionStage stage, string code, string message) in ((SessionStage, string, string)[])
        [
            (SessionStage.Advertise, SecureAggregationCodes.Cohort, "5 of 8 clients advertised their keys, but the sum is of at least 6."),
            (SessionStage.Share, SecureAggregationCodes.Missing, "5 of 8 clients sent their shares, but the sum is of at least 6. Missing: site0001, site0004, site0006."),
            (SessionStage.Mask, SecureAggregationCodes.Missing, "5 of 8 clients sent their masked inputs, but the sum is of at least 6. Missing: site0001, site0004, site0006."),
            (SessionStage.Confirm, SecureAggregationCodes.Missing, "5 of 8 survivors signed who survived, but at least 6 must. Missing: site0001, site0004, site0006."),
            (SessionStage.Unmask, SecureAggregationCodes.Missing, "5 shares of a secret of client 'site0000' came in, but 6 recover it. Missing: site0001, site0004, site0006."),
        ])
        {
            var lost = new Dictionary<string, SessionStage> { ["site0001"] = stage, ["site0004"] = stage, ["site0006"] = stage };
            SecureAggregationException fault = await Assert.ThrowsAsync<SecureAggregationException>(() => federation.HoldAsync(federation.Terms(), lost));
            Assert.Equal((code, message), (fault.Code, fault.Message));
        }
    }

    private static Dictionary<string, SessionStage> Draw(Federation federation, Random random, int most)
    {
        string[] names = [.. federation.Names];
        random.Shuffle(names);
        return names.Take(random.Next(most + 1)).ToDictionary(name => name, _ => Stages[random.Next(Stages.Length)]);
    }

    // What is lost at one stage and what is lost at a later one count together; where they are too many, the session says so.
    private static async Task AssertExactAsync(Federation federation, Dictionary<string, SessionStage> lost)
    {
        SessionTerms terms = federation.Terms();
        string[] expected = [.. federation.Names.Where(name => !lost.TryGetValue(name, out SessionStage stage) || stage > SessionStage.Mask)];
        (string[] survivors, string sum) = await federation.HoldAsync(terms, lost);
        Assert.Equal(expected, survivors);
        Assert.Equal(federation.IdealSum(expected), sum);
    }
}
