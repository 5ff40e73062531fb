using FedCore.Core.Tests.Json;
using FedCore.Rounds;

namespace FedCore.Core.Tests.Rounds;

/// <summary>What does not go together is refused when a run is defined, with the reason.</summary>
public class RunCompositionTests
{
    private const string Buffered = "rounds.buffer={\"size\":2}", Secure = "secureAggregation={}";

    public static TheoryData<string[], string[]> Refused => new()
    {
        { [Buffered, "rounds.deadlineSeconds=10"], ["rounds.deadlineSeconds", "maxStaleness"] },
        { [Buffered, "rounds.overSelection=0.3"], ["rounds.overSelection"] },
        { [Buffered, "rounds.cohort={\"type\":\"poisson\"}"], ["uniform cohort"] },
        { [Buffered, "strategy={\"type\":\"scaffold\"}"], ["same state of the server", "fedavg"] },
        { [Buffered, "strategy={\"type\":\"feddyn\"}"], ["same state of the server"] },
        { [Buffered, Secure], ["secureAggregation", "staleness"] },
        { [Secure, "disclosures=[\"individualUpdates\"]"], ["sums and nothing else", "individualUpdates"] },
        { [Secure, "disclosures=[\"clientMetrics\"]"], ["clientMetrics"] },
        { ["secureAggregation={\"minimumCohort\":5}", "rounds.minimumReports=4"], ["minimumCohort is 5", "4 reports"] },
        { ["rounds.workPlanning={}"], ["rounds.deadlineSeconds is not set"] },
        { ["disclosures=[\"timing\",\"timing\"]"], ["names one twice"] },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Parts_that_exclude_each_other_are_refused_with_the_reason(string[] assignments, string[] words)
    {
        var fault = Assert.Throws<FedCoreException>(() => RunPlan.Create(RunFiles.Read(assignments), RunFiles.Names));
        Assert.Equal("run.composition", fault.Code);
        Assert.All(words, word => Assert.Contains(word, fault.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(Buffered, "rounds.cohort={\"type\":\"all\"}")]
    [InlineData(Buffered, "strategy={\"type\":\"fednova\"}")]
    [InlineData(Secure, "strategy={\"type\":\"feddyn\"}")]
    [InlineData(Secure, "disclosures=[\"timing\"]")]
    public void Parts_that_go_together_make_a_run(params string[] assignments) => Assert.NotNull(RunPlan.Create(RunFiles.Read(assignments), RunFiles.Names));

    [Fact]
    public void A_minimum_above_the_buffer_is_refused()
    {
        RunPlan plan = RunPlan.Create(RunFiles.Read(Buffered, "rounds.minimumReports=3"), RunFiles.Names);
        Assert.Equal("run.cohort", Assert.Throws<FedCoreException>(() => plan.CheckPopulation(100)).Code);
    }
}
