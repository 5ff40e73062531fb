using FedCore.Aggregation.Robust;
using FedCore.Rounds;
using FedCore.Rounds.Selection;
using FedCore.Strategies;
using FedCore.Strategies.Server;
using FedCore.Updates;

namespace FedCore.Core.Tests.Rounds.Engine;

public class RoundFailureTests
{
    [Theory]
    [InlineData(2, true)]
    [InlineData(1, false)]
    public async Task Round_is_abandoned_below_minimum_reports(int reports, bool committed)
    {
        using var run = new EngineRun(clients: 4, rounds: new RoundPolicy { Count = 1, MinimumReports = 2 });
        run.Fleet.OnTrain = task => [task.Position < reports ? new Answer() : new Answer(1, ClientOutcome.Lost)];
        await (committed ? run.RunAsync() : (Task)run.RunInVainAsync());
        Assert.Equal(committed, run.State.Rounds[0].Committed);
    }

    [Fact]
    public async Task A_round_whose_updates_weigh_nothing_is_abandoned_and_the_model_stays()
    {
        using var run = new EngineRun(rounds: new RoundPolicy { Count = 2 });
        run.Fleet.Update = (task, client) => new ScriptedUpdate(new float[task.Model.Trainable.AsSpan().Length], [0, 0, 0, 0]);
        float[] before = run.Model;
        Assert.Contains("weigh nothing", (await run.RunInVainAsync()).Message, StringComparison.Ordinal);
        Assert.Equal(before, run.Model);
    }

    [Fact]
    public async Task Without_a_minimum_every_wanted_client_must_report()
    {
        using var run = new EngineRun(clients: 4, rounds: new RoundPolicy { Count = 1 });
        run.Fleet.OnTrain = task => [task.Position == 0 ? new Answer(1, ClientOutcome.Declined) : new Answer()];
        await run.RunInVainAsync();
        Assert.False(run.State.Rounds[0].Committed);
    }

    // Finite updates, and a step of the server that is not.
    [Fact]
    public async Task A_model_that_is_not_finite_behind_a_round_ends_the_run()
    {
        using var run = new EngineRun(change: definition => definition with { Strategy = new FedAvg { Server = new ServerAverage { LearningRate = 1e300 } } });
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => run.RunAsync());
        Assert.Equal(("run.diverged", 1), (fault.Code, run.State.LastRound));
    }

    [Fact]
    public async Task Refused_updates_do_not_count_for_the_minimum()
    {
        using var run = new EngineRun(clients: 3, rounds: new RoundPolicy { Count = 1, MinimumReports = 3 });
        run.Fleet.Update = (task, client) => task.Position == 0 ? ScriptedUpdate.Refused("test.code") : ScriptedUpdate.Of(task, client);
        await run.RunInVainAsync();
        Assert.Equal("2 of at least 3 updates were usable", run.State.Rounds[0].Reason);
    }

    [Fact]
    public async Task A_round_with_too_few_usable_updates_for_its_rule_is_abandoned_with_the_inequality()
    {
        using var run = new EngineRun(
            clients: 6, rounds: new RoundPolicy { Count = 1, MinimumReports = 5, DeadlineSeconds = 10 },
            change: definition => definition with { Aggregator = new Krum { Byzantine = 1 }, Disclosures = [Disclosure.IndividualUpdates] });
        run.Fleet.OnTrain = task => [new Answer(task.Position == 5 ? 20 : 1)];
        run.Fleet.Update = (task, client) => task.Position < 2 ? ScriptedUpdate.Refused("test.code") : ScriptedUpdate.Of(task, client);
        float[] before = run.Model;
        await run.RunInVainAsync();
        Assert.Equal("3 of at least 5 updates were usable", run.State.Rounds[0].Reason);
        Assert.Equal(before, run.Model);
    }

    // One of five updates is none: that was the attacker that the rule withstands. Of two one was honest, as far as the rule knows.
    [Theory]
    [InlineData(1, true)]
    [InlineData(2, false)]
    public async Task A_rule_withstands_as_many_updates_that_are_none_as_it_says(int refused, bool committed)
    {
        using var run = new EngineRun(
            clients: 5, rounds: new RoundPolicy { Count = 1 },
            change: definition => definition with { Aggregator = new Krum { Byzantine = 1 }, Disclosures = [Disclosure.IndividualUpdates] });
        run.Fleet.Update = (task, client) => task.Position < refused ? ScriptedUpdate.Refused(UpdateRefusedException.NotFinite) : ScriptedUpdate.Of(task, client);
        if (committed) await run.RunAsync();
        else await Assert.ThrowsAsync<FedCoreException>(() => run.RunAsync());
        Assert.Equal(committed, run.State.Rounds[0].Committed);
    }

    // What a client keeps counts only where its update is a part of the model: of Krum's five one is.
    [Fact]
    public async Task Clients_whose_update_a_rule_did_not_choose_go_on_from_what_they_had()
    {
        using var run = new EngineRun(
            clients: 5, rounds: new RoundPolicy { Count = 1 },
            change: definition => definition with { Aggregator = new Krum { Byzantine = 1 }, Disclosures = [Disclosure.IndividualUpdates] });
        await run.RunAsync();
        Assert.Equal((1, 5), (run.Fleet.Settled.Count(settled => settled.Counts), run.Fleet.Settled.Count));
    }

    [Fact]
    public async Task An_abandoned_round_leaves_the_model_and_the_next_one_starts()
    {
        using var run = new EngineRun(rounds: new RoundPolicy { Count = 2 });
        using var other = new EngineRun(rounds: new RoundPolicy { Count = 2 });
        float[] before = run.Model;
        run.Fleet.OnTrain = task => [new Answer(1, task.Round == 1 ? ClientOutcome.Lost : ClientOutcome.Reported)];
        run.Fleet.Update = (task, client) =>
        {
            Assert.Equal(before, task.Model.Trainable.AsSpan().ToArray());
            return ScriptedUpdate.Of(task, client);
        };
        await run.RunAsync();
        Assert.Equal([false, true], run.State.Rounds.Select(round => round.Committed));
    }

    [Fact]
    public async Task An_abandoned_round_counts_the_bytes_that_came()
    {
        using var run = new EngineRun(clients: 4, rounds: new RoundPolicy { Count = 1 });
        run.Fleet.OnTrain = task => [task.Position < 3 ? new Answer() : new Answer(1, ClientOutcome.Lost)];
        await run.RunInVainAsync();
        Assert.Equal(3 * run.Plan.TrainLayout.ByteLength, run.State.Rounds[0].BytesUp);
    }

    [Fact]
    public async Task An_empty_cohort_is_an_abandoned_round()
    {
        using var run = new EngineRun(rounds: new RoundPolicy { Count = 3, Cohort = new PoissonSelection { Rate = 1e-12 } });
        await run.RunInVainAsync();
        Assert.All(run.State.Rounds, round => Assert.False(round.Committed));
    }

    [Theory]
    [InlineData(0, "all 5 rounds were held")]
    [InlineData(2, "3 of 5 rounds were held, 2 abandoned")]
    [InlineData(4, "1 of 5 rounds were held, 4 abandoned")]
    public async Task A_run_says_how_many_of_its_rounds_were_held(int abandoned, string message)
    {
        using var run = new EngineRun(rounds: new RoundPolicy { Count = 5 });
        run.Fleet.OnTrain = task => [new Answer(1, task.Round <= abandoned ? ClientOutcome.Lost : ClientOutcome.Reported)];
        Assert.Equal(new RunEnded(RunEnded.Completed, message), await run.RunAsync());
    }

    [Theory]
    [InlineData(1, "No round was held: the only one was abandoned")]
    [InlineData(3, "No round was held: all 3 were abandoned")]
    public async Task A_run_without_a_round_that_was_held_fails_and_says_what_to_change(int rounds, string message)
    {
        using var run = new EngineRun(rounds: new RoundPolicy { Count = rounds });
        run.Fleet.OnTrain = _ => [new Answer(1, ClientOutcome.Lost)];
        FedCoreException fault = await run.RunInVainAsync();
        Assert.Equal(FaultKind.RunFailed, fault.Kind);
        Assert.StartsWith(message, fault.Message, StringComparison.Ordinal);
        Assert.Contains("rounds.minimumReports", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Too_many_abandoned_rounds_in_a_row_fail_the_run()
    {
        using var run = new EngineRun(rounds: new RoundPolicy { Count = 100, MaxAbandonedInARow = 3 });
        run.Fleet.OnTrain = task => [new Answer(1, task.Round is 1 or 2 or > 3 ? ClientOutcome.Lost : ClientOutcome.Reported)];
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => run.RunAsync());
        Assert.Equal((FaultKind.RunFailed, "run.abandoned", 6), (fault.Kind, fault.Code, run.State.LastRound));
        Assert.Contains($"Of its clients {string.Join(", ", run.State.Rounds[^1].Clients.Select(client => client.Client + " lost").Take(5))}", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_update_that_is_not_finite_makes_the_run_diverge_and_names_the_client()
    {
        using var run = new EngineRun(rounds: new RoundPolicy { Count = 100 });
        run.Fleet.Update = (task, client) => task.Round == 2 && client.Index == 3 ? ScriptedUpdate.Refused(UpdateRefusedException.NotFinite) : ScriptedUpdate.Of(task, client);
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => run.RunAsync());
        Assert.Equal("run.diverged", fault.Code);
        Assert.Contains("'c3'", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_update_that_is_not_finite_is_left_out_where_enough_others_are()
    {
        using var run = new EngineRun(rounds: new RoundPolicy { Count = 2, MinimumReports = 3 });
        run.Fleet.Update = (task, client) => client.Index == 3 ? ScriptedUpdate.Refused(UpdateRefusedException.NotFinite) : ScriptedUpdate.Of(task, client);
        Assert.True((await run.RunAsync()).IsSuccess);
    }

    [Theory]
    [InlineData(ClientOutcome.Lost)]
    [InlineData(ClientOutcome.Declined)]
    [InlineData(ClientOutcome.Reported)]
    public async Task A_second_reply_for_a_place_that_is_taken_changes_nothing(ClientOutcome second)
    {
        using EngineRun run = new(clients: 3, rounds: new RoundPolicy { Count = 2 }), once = new(clients: 3, rounds: new RoundPolicy { Count = 2 });
        run.Fleet.OnTrain = task => task.Position == 0 ? [new Answer(), new Answer(1, second)] : [new Answer(2)];
        once.Fleet.OnTrain = task => [new Answer(task.Position == 0 ? 0 : 2)];
        await run.RunAsync();
        await once.RunAsync();
        Assert.Equal(once.Receipts, run.Receipts);
        Assert.Equal(once.Model, run.Model);
    }

    [Fact]
    public async Task A_report_after_a_client_was_given_up_does_not_count()
    {
        using var run = new EngineRun(clients: 3, rounds: new RoundPolicy { Count = 1, MinimumReports = 1 });
        run.Fleet.OnTrain = task => task.Position == 0 ? [new Answer(0, ClientOutcome.Lost, "gone"), new Answer(1)] : [new Answer(2)];
        await run.RunAsync();
        Assert.Equal(new ClientReceipt("c0", ClientOutcome.Lost, "gone"), run.State.Rounds[0].Clients[0]);
    }

    [Fact]
    public async Task Replies_from_another_round_are_ignored()
    {
        using EngineRun run = new(clients: 2, rounds: new RoundPolicy { Count = 3 }), clean = new(clients: 2, rounds: new RoundPolicy { Count = 3 });
        TrainTask? first = null;
        run.Fleet.OnTrain = task =>
        {
            first ??= task;
            if (task.Round == 2) run.Fleet.Inject(new FleetReply(first, ClientOutcome.Lost));
            return [new Answer(1)];
        };
        clean.Fleet.OnTrain = _ => [new Answer(1)];
        await run.RunAsync();
        await clean.RunAsync();
        Assert.Equal(clean.Receipts, run.Receipts);
    }

    [Fact]
    public async Task A_fleet_that_owes_replies_and_is_silent_for_ever_fails_the_run()
    {
        using var run = new EngineRun();
        run.Fleet.OnTrain = _ => [Answer.Never];
        Assert.Equal("run.fleet-closed", (await Assert.ThrowsAsync<FedCoreException>(() => run.RunAsync())).Code);
    }
}
