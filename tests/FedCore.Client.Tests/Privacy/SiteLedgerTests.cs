using FedCore.Client.Settings;
using FedCore.Client.Tests.Fakes;
using FedCore.Hosting.Storage;
using FedCore.Privacy;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Ledgers;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.Rounds.Privacy;
using FedCore.SecureAggregation.Sessions;
using FedCore.Tests;

namespace FedCore.Client.Tests.Privacy;

/// <summary>A site keeps account of how its data are used, and stays within a budget of its own, whatever an aggregator asks for.</summary>
public sealed class SiteLedgerTests : IDisposable
{
    private static readonly PrivacyPolicy Policy = new() { Clip = 0.5, NoiseMultiplier = 1, Delta = 1e-5, PublicEvaluation = true };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_use_is_on_the_disk_before_anything_of_it_leaves()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: Private);
        await using RunningClient client = await StartAsync(aggregator);
        await AcceptedAsync(aggregator, run, 1);
        LedgerEntry entry = Assert.Single(Entries());
        Assert.Equal((LedgerEntryKind.Reserved, run.Name, run.Plan.Hash, 1, "data", PrivacyUnit.Client, PrivacyAdversary.Aggregator), (entry.Kind, entry.Run, entry.Hash, entry.Round, entry.Source, entry.Unit, entry.Adversary));
        Assert.Equal(new GaussianEvent(1), entry.Event);
    }

    [Fact]
    public async Task Runs_that_promise_nothing_are_written_down_as_bounded_by_nothing()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var clear = new SmallRun(aggregator);
        using var central = new SmallRun(aggregator, name: "central", change: definition => Private(definition) with { SecureAggregation = null });
        await using RunningClient client = await StartAsync(aggregator);
        await AcceptedAsync(aggregator, clear, 1);
        await AcceptedAsync(aggregator, central, 1);
        Assert.All(Entries(), entry => Assert.Null(entry.Event));
        Assert.Equal(2, Entries().Count);
    }

    [Fact]
    public async Task A_task_that_is_asked_for_again_after_a_restart_is_the_same_use()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: Private);
        TaskOffer task;
        await using (RunningClient client = await StartAsync(aggregator)) task = await AcceptedAsync(aggregator, run, 1);
        Directory.Delete(_folder["unsettled"], recursive: true);
        await using RunningClient again = await StartAsync(aggregator);
        aggregator.Uploads.TryRemove(task.TaskId, out _);
        run.Train(1);
        await aggregator.AcceptedAsync(task.TaskId);
        Assert.Single(Entries());
    }

    // The name is the aggregator's; what the site does is not.
    [Fact]
    public async Task Other_work_under_the_name_of_an_old_task_is_another_use()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: Private);
        await using RunningClient client = await StartAsync(aggregator, new PrivacyDemands { MaxParticipations = 1 });
        TaskOffer first = await AcceptedAsync(aggregator, run, 1);
        TaskOffer second = run.Train(2, offer => offer.TaskId = first.TaskId);
        Assert.Equal("privacy.participations", await DeclinedAsync(aggregator, second));
    }

    // One round of z = 1 costs 4.7 at delta 1e-5 by Renyi divergences, two cost 7.1.
    [Fact]
    public async Task A_round_past_the_sites_budget_is_refused_whatever_the_aggregator_says()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using SmallRun run = new(aggregator, change: Private), other = new(aggregator, name: "other", change: definition => Private(definition) with { Name = "other", Seed = 7 });
        await using RunningClient client = await StartAsync(aggregator, new PrivacyDemands { MaxEpsilonAgainstAggregator = 6 });
        await AcceptedAsync(aggregator, run, 1);
        Assert.Equal("privacy.budget", await DeclinedAsync(aggregator, run.Train(2)));

        // Another run, under another name, is no way around it.
        Assert.Equal("privacy.budget", await DeclinedAsync(aggregator, other.Train(1)));
        Assert.Single(Entries());
    }

    [Fact]
    public async Task A_round_past_the_sites_participations_is_refused_also_behind_a_restart()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: Private);
        var demands = new PrivacyDemands { MaxParticipations = 2 };
        await using (RunningClient client = await StartAsync(aggregator, demands))
        {
            await AcceptedAsync(aggregator, run, 1);
            await AcceptedAsync(aggregator, run, 2);
        }

        await using RunningClient again = await StartAsync(aggregator, demands);
        Assert.Equal("privacy.participations", await DeclinedAsync(aggregator, run.Train(3)));
    }

    [Fact]
    public async Task A_second_masked_input_for_the_same_update_costs_again()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: Private);
        await using RunningClient client = await StartAsync(aggregator);
        TaskOffer task = await ReadyAsync(aggregator, run, client);
        using (var first = new FakeSum(aggregator, run, task))
        {
            // It comes to nothing behind the masked inputs.
            first.OnStage = stage => stage == SessionStage.Confirm ? throw new OperationCanceledException() : Task.CompletedTask;
            await Assert.ThrowsAnyAsync<OperationCanceledException>(first.HoldAsync);
        }

        Assert.Equal(1, LedgerBalance.Of(Entries(), "data", PrivacyUnit.Client).Uses);
        using var second = new FakeSum(aggregator, run, task, attempt: 2);
        await second.HoldAsync();
        Assert.Equal([LedgerEntryKind.Reserved, LedgerEntryKind.Masked, LedgerEntryKind.Masked], Entries().Select(entry => entry.Kind));
        Assert.Equal(2, LedgerBalance.Of(Entries(), "data", PrivacyUnit.Client).Uses);
        Assert.IsType<DistributedDiscreteGaussianEvent>(Entries()[^1].Event);
    }

    [Fact]
    public async Task Where_noise_is_in_trees_a_round_too_soon_behind_the_last_is_refused()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: definition => Turns(definition, new TreePolicy { MinimumSeparation = 2 }));
        await using RunningClient client = await StartAsync(aggregator);
        await AcceptedAsync(aggregator, run, 1);
        Assert.Equal("privacy.separation", await DeclinedAsync(aggregator, run.Train(2)));
        Assert.Equal("privacy.separation", await DeclinedAsync(aggregator, run.Train(3)));
        await AcceptedAsync(aggregator, run, 4);
        Assert.Equal([1, 4], Entries().Select(entry => entry.Round));
    }

    [Fact]
    public async Task Where_noise_is_in_trees_a_site_takes_part_no_more_often_than_the_run_says()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: definition => Turns(definition, new TreePolicy { MaximumParticipations = 2 }));
        await using RunningClient client = await StartAsync(aggregator);
        await AcceptedAsync(aggregator, run, 1);
        await AcceptedAsync(aggregator, run, 2);
        Assert.Equal("privacy.participations", await DeclinedAsync(aggregator, run.Train(3)));
    }

    // Noise that is drawn while training is drawn anew where the training begins anew.
    [Fact]
    public async Task Training_that_hides_examples_costs_its_steps_every_time_that_it_begins()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: Hiding);
        PrivacyEvent steps = run.Plan.Privacy!.CostOfSteps(4);
        TaskOffer task;
        await using (RunningClient client = await StartAsync(aggregator)) task = await AcceptedAsync(aggregator, run, 1);
        Assert.Equal((PrivacyUnit.Example, steps), (Assert.Single(Entries()).Unit, Entries()[0].Event));

        // Whether it had heard yet that its update arrived or not: neither is there any more.
        Directory.Delete(_folder["unsettled"], recursive: true);
        Directory.Delete(_folder["outbox"], recursive: true);
        await using RunningClient again = await StartAsync(aggregator);
        aggregator.Uploads.TryRemove(task.TaskId, out _);
        run.Train(1);
        await aggregator.AcceptedAsync(task.TaskId);
        await aggregator.WaitAsync(() => Entries().Count > 1);
        Assert.Equal([steps, steps], Entries().Select(entry => entry.Event));
    }

    [Fact]
    public async Task An_aggregator_that_asks_for_more_steps_than_the_budget_has_is_refused()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: Hiding);
        await using RunningClient client = await StartAsync(aggregator, new PrivacyDemands { MaxEpsilonAgainstAggregator = 6 });
        TaskOffer altered = run.Train(1, offer => offer.Train.Steps = 1000);
        Assert.Equal("privacy.budget", await DeclinedAsync(aggregator, altered));
        Assert.Empty(Entries());
    }

    [Theory]
    [InlineData("privacy.required", true, null)]
    [InlineData("privacy.required", false, 8.0)]
    public async Task Runs_without_privacy_are_not_worked_for_where_it_is_demanded(string code, bool isRequired, double? most)
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator);
        await using RunningClient client = await StartAsync(aggregator, new PrivacyDemands { Required = isRequired, MaxEpsilonAgainstAggregator = most });
        Assert.Equal(code, await DeclinedAsync(aggregator, run.Train(1)));
        Assert.Empty(Entries());
    }

    [Fact]
    public async Task An_aggregator_that_adds_the_noise_itself_does_not_do_where_one_is_not_trusted()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: definition => Private(definition) with { SecureAggregation = null });
        await using RunningClient client = await StartAsync(aggregator, new PrivacyDemands { MaxEpsilonAgainstAggregator = 8 });
        Assert.Equal("privacy.adversary", await DeclinedAsync(aggregator, run.Train(1)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_site_says_itself_whether_what_it_evaluates_on_is_public(bool isPublic)
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: Private);
        await using RunningClient client = await StartAsync(aggregator, new PrivacyDemands { Required = true, PublicEvaluation = isPublic });
        TaskOffer task = run.Evaluate(1);
        if (isPublic) await aggregator.AcceptedAsync(task.TaskId);
        else Assert.Equal("privacy.evaluation", await DeclinedAsync(aggregator, task));
    }

    [Fact]
    public async Task With_a_broken_ledger_the_client_does_not_start_and_says_why()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: Private);
        await using (RunningClient client = await StartAsync(aggregator)) await AcceptedAsync(aggregator, run, 1);
        Change("\"round\":1", "\"round\":2");
        FedCoreException fault = await Assert.ThrowsAsync<FedCoreException>(() => StartAsync(aggregator));
        Assert.Equal(("privacy.ledger", FaultKind.Configuration), (fault.Code, fault.Kind));
        Assert.Contains("entry 1 is not what was written", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_ledger_that_is_broken_under_a_running_client_ends_its_taking_part()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: Private);
        await using RunningClient client = await StartAsync(aggregator);
        await AcceptedAsync(aggregator, run, 1);
        Change("\"round\":1", "\"round\":2");
        Assert.Equal("privacy.ledger", await DeclinedAsync(aggregator, run.Train(2)));
    }

    [Theory]
    [InlineData("privacy.delta", 0.0, null)]
    [InlineData("privacy.epsilon", 1e-5, -1.0)]
    public async Task Demands_out_of_range_are_refused_by_name(string code, double delta, double? most)
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        Assert.Equal(code, (await Assert.ThrowsAsync<FedCoreException>(() => StartAsync(aggregator, new PrivacyDemands { Delta = delta, MaxEpsilonAgainstAggregator = most }))).Code);
    }

    private static RunDefinition Turns(RunDefinition definition, TreePolicy tree) =>
        Private(definition) with { SecureAggregation = null, Privacy = Policy with { Mechanism = PrivacyMechanism.Tree, Tree = tree }, Rounds = definition.Rounds with { Count = 10 } };

    private static RunDefinition Hiding(RunDefinition definition) => definition with
    {
        Training = definition.Training with { Epochs = 1, Steps = null, BatchSize = 32, WeightBy = WeightBy.Uniform },
        Privacy = Policy with { Unit = PrivacyUnit.Example, SamplingRate = 0.25 },
    };

    private static RunDefinition Private(RunDefinition definition) => FakeSum.Secure(definition) with { Privacy = Policy };

    private static async Task<string> DeclinedAsync(FakeAggregator aggregator, TaskOffer task)
    {
        await aggregator.WaitAsync(() => aggregator.Messages<DeclineRequest>().Any(decline => decline.TaskId == task.TaskId));
        aggregator.Withdraw(task.TaskId);
        return aggregator.Messages<DeclineRequest>().First(decline => decline.TaskId == task.TaskId).Reason;
    }

    private static async Task<TaskOffer> AcceptedAsync(FakeAggregator aggregator, SmallRun run, int round)
    {
        TaskOffer task = run.Train(round);
        await aggregator.AcceptedAsync(task.TaskId);
        aggregator.Withdraw(task.TaskId);
        return task;
    }

    private static async Task<TaskOffer> ReadyAsync(FakeAggregator aggregator, SmallRun run, RunningClient client)
    {
        TaskOffer task = await AcceptedAsync(aggregator, run, 1);
        await aggregator.WaitAsync(() => client.Outbox.FindResult(task.TaskId) is not null);
        return task;
    }

    private Task<RunningClient> StartAsync(FakeAggregator aggregator, PrivacyDemands? demands = null) =>
        RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path) with { Privacy = demands ?? new PrivacyDemands() });

    private IReadOnlyList<LedgerEntry> Entries()
    {
        using LedgerFile ledger = LedgerFile.Open(_folder["privacy-ledger.jsonl"]);
        return ledger.Entries;
    }

    private void Change(string from, string to)
    {
        string path = _folder["privacy-ledger.jsonl"], text = File.ReadAllText(path);
        Assert.Contains(from, text, StringComparison.Ordinal);
        File.WriteAllText(path, text.Replace(from, to, StringComparison.Ordinal));
    }
}
