using FedCore.Core.Tests.Json;
using FedCore.Privacy;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Pld;
using FedCore.Rounds;
using FedCore.Strategies;

namespace FedCore.Core.Tests.Rounds;

/// <summary>Runs whose promise would not hold are refused when they are defined, with the reason.</summary>
public class PrivacyCompositionTests
{
    private const string Example = "privacy={\"unit\":\"example\",\"clip\":0.5,\"noiseMultiplier\":1,\"samplingRate\":0.1,\"delta\":1e-5}", Batches = "training.batchSize=32";

    private const string Private = "privacy={\"clip\":0.5,\"noiseMultiplier\":1,\"delta\":1e-5}", Uniform = "training.weightBy=uniform", Unseen = "evaluation.every=0", NoStop = "stop=null";

    public static TheoryData<string, string[], string[]> Refused => new()
    {
        { "privacy.clip", ["privacy.clip=0"], ["privacy.clip is 0", "above 0"] },
        { "privacy.clip", ["privacy.clip=-1"], ["privacy.clip is -1"] },
        { "privacy.delta", ["privacy.delta=0"], ["privacy.delta is 0", "below 1"] },
        { "privacy.delta", ["privacy.delta=1"], ["privacy.delta is 1"] },
        { "privacy.epsilon", ["privacy.epsilon=0"], ["privacy.epsilon is 0"] },
        { "privacy.epsilon", ["privacy.epsilon=-2"], ["privacy.epsilon is -2"] },
        { "privacy.noise-multiplier", ["privacy.noiseMultiplier=0"], ["privacy.noiseMultiplier is 0"] },
        { "privacy.noise-multiplier", ["privacy.adaptiveClip={\"countNoise\":0.4}"], ["noise multiplier of 1", "below 0.8", "adaptiveClip.countNoise"] },
        { "privacy.composition", ["rounds.cohort={\"type\":\"poisson\",\"rate\":0.5}", "privacy.amplification=true", "secureAggregation={}"], ["each client knows who the others are"] },
        { "privacy.sampling-rate", ["privacy.amplification=true"], ["a uniform cohort does not choose so", "poisson"] },
        { "privacy.sampling-rate", ["privacy.amplification=true", "rounds.cohort={\"type\":\"all\"}"], ["asks all"] },
        { "privacy.sampling-rate", ["privacy.amplification=true", "rounds.cohort={\"type\":\"utility\",\"size\":2}", "disclosures=[\"clientMetrics\"]"], ["what it can do", "utility"] },
        { "privacy.composition", ["privacy.noiseMultiplier=null"], ["neither", "epsilon, such as 8"] },
        { "privacy.composition", ["privacy.stopWhenSpent=true"], ["stopWhenSpent", "both"] },
        { "privacy.composition", ["training.weightBy=examples"], ["weightBy", "uniform"] },
        { "privacy.composition", ["evaluation.every=1"], ["evaluation", "publicEvaluation"] },
        { "privacy.composition", ["evaluation.every=1", "privacy.publicEvaluation=true", "evaluation.splits=[\"train\"]"], ["splits contains train"] },
        { "privacy.composition", ["evaluation.every=1", "privacy.publicEvaluation=true", "evaluation.fineTune={\"epochs\":1}"], ["fineTune"] },
        { "privacy.composition", ["privacy.mechanism=distributed"], ["secureAggregation"] },
        { "privacy.composition", ["aggregator={\"type\":\"median\"}", "disclosures=[\"individualUpdates\"]"], ["aggregator median is no sum", "weightedMean"] },
        { "privacy.composition", ["transforms=[{\"type\":\"int8\"}]"], ["transforms"] },
        { "privacy.composition", ["disclosures=[\"clientMetrics\"]"], ["clientMetrics"] },
        { "privacy.composition", ["rounds.cohort={\"type\":\"uniform\",\"size\":3}", "rounds.buffer={\"size\":2}"], ["rounds.buffer"] },
        { "privacy.composition", ["model.layers=[{\"type\":\"linear\",\"outputs\":4},{\"type\":\"batchNorm\"},{\"type\":\"linear\",\"outputs\":3}]"], ["batch normalisation", "groupNorm"] },
        { "privacy.composition", ["strategy={\"type\":\"scaffold\"}", "training.optimizer={\"type\":\"sgd\"}"], ["strategy scaffold", "'control'"] },
        { "privacy.composition", ["strategy={\"type\":\"fednova\"}"], ["strategy fednova"] },
        { "privacy.composition", ["strategy={\"type\":\"qfedavg\"}"], ["strategy qfedavg"] },
        { "privacy.composition", ["secureAggregation={\"clip\":3}"], ["secureAggregation.clip is 3", "privacy.clip is 0.5"] },
        { "privacy.composition", ["secureAggregation={}", "privacy.accountant=pld"], ["Renyi divergences alone"] },
        { "privacy.composition", ["privacy.mechanism=central", "secureAggregation={\"scale\":4}", "privacy.accountant=pld"], ["Renyi divergences alone"] },
        { "privacy.clip", ["privacy.clip=1e-9"], ["privacy.clip is 1E-09", "from 1E-06"] },
        { "privacy.noise-multiplier", ["privacy.noiseMultiplier=1e7"], ["at most"] },
        { "privacy.composition", [Example, Batches, "model.input=[2]", "data={\"features\":[{\"name\":\"a\"},{\"name\":\"b\"}],\"label\":{\"name\":\"c\"},\"missing\":\"dropExample\"}"], ["data.missing is dropExample"] },
        { "privacy.composition", ["privacy.tree={}"], ["privacy.mechanism is not tree"] },
        { "privacy.composition", ["privacy.mechanism=tree", "privacy.amplification=true"], ["is there to do without"] },
        { "privacy.composition", ["privacy.mechanism=tree", "privacy.adaptiveClip={\"countNoise\":2}"], ["under one clip"] },
        { "privacy.composition", [Example, Batches, "privacy.tree={}"], ["privacy.unit is \"example\""] },
        { "privacy.composition", ["privacy.mechanism=site"], ["hides examples", "unit"] },
        { "privacy.composition", ["privacy.samplingRate=0.1"], ["privacy.samplingRate makes the batches", "rounds.cohort"] },
        { "privacy.sampling-rate", ["privacy.unit=example"], ["privacy.samplingRate is not set", "0.01"] },
        { "privacy.sampling-rate", [Example, "privacy.samplingRate=0"], ["privacy.samplingRate is 0", "at most 1"] },
        { "privacy.sampling-rate", [Example, "privacy.samplingRate=1.5"], ["privacy.samplingRate is 1.5"] },
        { "privacy.sampling-rate", [Example, "privacy.samplingRate=1e-300"], ["samplingRate is 1E-300", "training.steps"] },
        { "privacy.composition", [Example, Batches, "training.batchSize=10"], ["training.batchSize is set", "privacy.samplingRate"] },
        { "privacy.composition", [Example, Batches, "privacy.mechanism=central"], ["measured by whole clients"] },
        { "privacy.composition", [Example, Batches, "privacy.amplification=true"], ["each site counts the rounds"] },
        { "privacy.composition", [Example, Batches, "privacy.adaptiveClip={}"], ["adaptiveClip"] },
        { "privacy.composition", [Example, Batches, "strategy={\"type\":\"qfedavg\"}"], ["a weight of its own"] },
        { "privacy.composition", [Example, Batches, "disclosures=[\"clientMetrics\"]"], ["clientMetrics"] },
        { "privacy.composition", [Example, Batches, "model.input=[2]", "data={\"features\":[{\"name\":\"a\"},{\"name\":\"b\"}],\"label\":{\"name\":\"c\"},\"standardize\":true}"], ["data.standardize", "center and a scale"] },
        { "privacy.composition", [Example, Batches, "model.input=[2]", "data={\"features\":[{\"name\":\"a\"},{\"name\":\"b\"}],\"label\":{\"name\":\"c\"},\"missing\":\"mean\"}"], ["data.missing is mean"] },
        { "privacy.composition", [Example, Batches, "evaluation.every=1"], ["evaluation", "publicEvaluation"] },
        { "privacy.composition", [Example, Batches, "rounds.cohort={\"type\":\"uniform\",\"size\":3}", "rounds.buffer={\"size\":2}"], ["rounds.buffer"] },
        { "privacy.composition", [Example, Batches, "model.layers=[{\"type\":\"linear\",\"outputs\":4},{\"type\":\"batchNorm\",\"local\":true},{\"type\":\"linear\",\"outputs\":3}]"], ["depends on the others of its batch"] },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void What_breaks_the_promise_is_refused_with_the_reason(string code, string[] assignments, string[] words)
    {
        var fault = Assert.Throws<FedCoreException>(() => Plan(assignments));
        Assert.Equal(code, fault.Code);
        Assert.All(words, word => Assert.Contains(word, fault.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("secureAggregation={}")]
    [InlineData("privacy.mechanism=central", "secureAggregation={}")]
    [InlineData("privacy.mechanism=tree", "secureAggregation={}")]
    [InlineData("privacy.mechanism=tree", "privacy.tree={\"minimumSeparation\":3,\"maximumParticipations\":2,\"restartEvery\":8}")]
    [InlineData("rounds.cohort={\"type\":\"poisson\",\"rate\":0.5}", "privacy.amplification=true")]
    [InlineData("privacy.adaptiveClip={\"countNoise\":2}")]
    [InlineData("privacy.adaptiveClip={}")]
    [InlineData("strategy={\"type\":\"fedavg\",\"server\":{\"type\":\"adam\"}}")]
    [InlineData("privacy.publicEvaluation=true", "evaluation.every=1")]
    [InlineData(Example, Batches)]
    [InlineData(Example, Batches, "secureAggregation={}")]
    [InlineData(Example, Batches, "training.weightBy=examples")]
    [InlineData(Example, Batches, "strategy={\"type\":\"scaffold\"}", "training.optimizer={\"type\":\"sgd\"}")]
    [InlineData(Example, Batches, "transforms=[{\"type\":\"int8\"}]")]
    [InlineData(Example, Batches, "aggregator={\"type\":\"median\"}", "disclosures=[\"individualUpdates\"]")]
    public void What_keeps_the_promise_makes_a_run(params string[] assignments) => Assert.NotNull(Plan(assignments).Privacy);

    // Of five clients at a rate of 0.4 nobody is asked in one round of 12.9 (0.6^5).
    [Theory]
    [InlineData(5, 0.4, 1, "one round of 12.9")]
    [InlineData(5, 0.5, 5, "one round of 1")]
    [InlineData(1000, 0.1, 100, "one round of 2")]
    [InlineData(1000, 0.1, 30, null)]
    public void Rounds_that_show_how_many_were_drawn_are_refused(long population, double rate, int minimum, string? words)
    {
        RunPlan plan = Plan(["privacy.amplification=true", FormattableString.Invariant($"rounds.cohort={{\"type\":\"poisson\",\"rate\":{rate}}}"), $"rounds.minimumReports={minimum}"]);
        if (words is null)
        {
            plan.CheckPopulation(population);
            return;
        }

        var fault = Assert.Throws<FedCoreException>(() => plan.CheckPopulation(population));
        Assert.Equal("privacy.sampling-rate", fault.Code);
        Assert.Contains(words, fault.Message, StringComparison.Ordinal);
    }

    // Two trees of four rounds and one of two; a client that must pause for two rounds can be in two of four.
    [Fact]
    public void A_run_with_restarts_costs_its_trees()
    {
        RunPlan plan = Plan(["privacy.mechanism=tree", "privacy.tree={\"minimumSeparation\":2,\"restartEvery\":4}", "rounds.count=10"]);
        double noise = 1 / (1 + 1e-6);
        Assert.Equal([new TreeAggregationEvent(noise, 4, 2, 2).Times(2), new TreeAggregationEvent(noise, 2, 1, 2)], plan.Privacy!.PlannedCosts(10));
        var accountant = new PldAccountant();
        foreach (PrivacyEvent tree in plan.Privacy.PlannedCosts(10)) accountant.Record(tree);
        Assert.Equal(accountant.Epsilon(1e-5), plan.Privacy.PlannedEpsilon(PrivacyAdversary.Recipients, 10), 1e-9);
        Assert.Equal(double.PositiveInfinity, plan.Privacy.PlannedEpsilon(PrivacyAdversary.Aggregator, 10));
    }

    [Theory]
    [InlineData("privacy.separation", 6, "some must come again after 2", "privacy.tree={\"minimumSeparation\":2}", "rounds.cohort={\"type\":\"roundRobin\",\"size\":3}")]
    [InlineData("privacy.participations", 6, "need 5 of each of 6", "privacy.tree={\"maximumParticipations\":4}", "rounds.cohort={\"type\":\"roundRobin\",\"size\":3}")]
    public void Turns_that_the_clients_are_too_few_for_are_refused(string code, long population, string word, params string[] assignments)
    {
        RunPlan plan = Plan(["privacy.mechanism=tree", "rounds.count=10", "rounds.minimumReports=1", .. assignments]);
        var fault = Assert.Throws<FedCoreException>(() => plan.CheckPopulation(population));
        Assert.Equal(code, fault.Code);
        Assert.Contains(word, fault.Message, StringComparison.Ordinal);
    }

    // Five passes of ten steps each: what one site spends in a round, and in all of them.
    [Fact]
    public void The_steps_of_a_round_follow_from_the_sampling_rate()
    {
        RunPlan plan = Plan([Example, Batches, "training.epochs=5", "training.steps=null", "rounds.count=3"]);
        Assert.Equal(new LocalWork(0, 50), new RoundContext(plan, 1, 1).StandardTask.Work);
        Assert.Equal(new PoissonSampledEvent(0.1, new GaussianEvent(1 / (1 + 1e-6))).Times(50), plan.Privacy!.SiteRound);
        var accountant = new PldAccountant();
        accountant.Record(new PoissonSampledEvent(0.1, new GaussianEvent(1)), 150);
        foreach (PrivacyAdversary adversary in Enum.GetValues<PrivacyAdversary>()) Assert.Equal(accountant.Epsilon(1e-5), plan.Privacy.PlannedEpsilon(adversary, 3), 1e-3);
    }

    [Fact]
    public void The_noise_for_an_epsilon_is_that_of_all_steps()
    {
        RunPlan plan = Plan([Example, Batches, "privacy.noiseMultiplier=null", "privacy.epsilon=3", "training.epochs=5", "training.steps=null", "rounds.count=3"]);
        Assert.InRange(plan.Privacy!.PlannedEpsilon(PrivacyAdversary.Aggregator, 3), 2.99, 3);
    }

    // Balle and Wang's closed form: mu = sqrt(5)/z is 8 at delta 1e-5 for z = 1.3422.
    [Fact]
    public void An_epsilon_alone_is_kept_with_as_little_noise_as_it_needs()
    {
        RunPlan plan = Plan("privacy={\"clip\":0.5,\"epsilon\":8,\"delta\":1e-5}");
        Assert.Equal(1.3422, plan.Privacy!.NoiseMultiplier, 1e-3);
        Assert.InRange(plan.Privacy.PlannedEpsilon(PrivacyAdversary.Recipients, 5), 7.999, 8);
        Assert.Equal(double.PositiveInfinity, plan.Privacy.PlannedEpsilon(PrivacyAdversary.Aggregator, 5));
        plan.CheckPopulation(10);
    }

    [Fact]
    public void A_run_that_would_go_past_its_budget_is_refused_before_it_starts()
    {
        RunPlan plan = Plan("privacy={\"clip\":0.5,\"epsilon\":8,\"noiseMultiplier\":1,\"delta\":1e-5}");
        var fault = Assert.Throws<FedCoreException>(() => plan.CheckPopulation(10));
        Assert.Equal("privacy.budget", fault.Code);
        Assert.Contains("enough for 2 of 5 rounds", fault.Message, StringComparison.Ordinal);
        Plan("privacy={\"clip\":0.5,\"epsilon\":8,\"noiseMultiplier\":1,\"delta\":1e-5,\"stopWhenSpent\":true}").CheckPopulation(10);
        Assert.Throws<FedCoreException>(() => Plan("privacy={\"clip\":0.5,\"epsilon\":1,\"noiseMultiplier\":1,\"delta\":1e-5,\"stopWhenSpent\":true}").CheckPopulation(10));
    }

    [Fact]
    public void Nothing_leaves_a_client_but_what_is_protected()
    {
        Assert.Equal(["model", "weight"], Plan().TrainLayout.Sections.Select(section => section.Name));
        Assert.Equal(["model", "weight", "unclipped"], Plan("privacy.adaptiveClip={\"countNoise\":2}").TrainLayout.Sections.Select(section => section.Name));
    }

    [Fact]
    public void A_run_without_privacy_has_the_hash_that_it_had() => Assert.DoesNotContain("privacy", System.Text.Encoding.UTF8.GetString(RunPlan.Create(RunFiles.Read(), RunFiles.Names).CanonicalBytes.Span), StringComparison.Ordinal);

    private static RunPlan Plan(params string[] assignments) => RunPlan.Create(RunFiles.Read([NoStop, Private, Uniform, Unseen, .. assignments]), RunFiles.Names);
}
