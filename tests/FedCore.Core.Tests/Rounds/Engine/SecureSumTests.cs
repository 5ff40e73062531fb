using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Sessions;

namespace FedCore.Core.Tests.Rounds.Engine;

/// <summary>Secure sums over a fleet whose clients have real keys: what happens when they leave, and when the aggregator's process is killed.</summary>
public class SecureSumTests
{
    private static readonly RunPlan Plan = PlanFor();

    // Three rounds and three evaluations; in the second round one client leaves behind its shares, in the third one behind its masked input.
    [Fact]
    public async Task Killed_behind_any_fact_the_run_ends_with_the_same_bits()
    {
        using EngineRun whole = Start(new SecureClients(Plan), new InMemoryJournal(), Checkpoints());
        await whole.RunAsync();
        Assert.Equal([5, 4, 5], whole.State.Rounds.Select(round => round.Contributors));
        Assert.Equal(3, whole.State.Evaluations.Count(evaluation => evaluation.Contributors == 5));
        int facts = whole.Journal.Facts.Count;
        Assert.True(facts > 40);
        for (int length = 1; length < facts; length++)
        {
            (SecureClients clients, InMemoryJournal journal, MemoryCheckpoints checkpoints) = (new SecureClients(Plan), new InMemoryJournal(), Checkpoints());
            using (EngineRun killed = Start(clients, journal, checkpoints, killBehind: length))
                await Assert.ThrowsAsync<KilledException>(() => killed.RunAsync());
            Assert.Equal(length, journal.Facts.Count);
            using EngineRun again = Start(clients, journal, checkpoints);
            await again.RunAsync();
            Assert.True(whole.Model.SequenceEqual(again.Model), $"The model differs behind {length} facts, the last {journal.Facts[length - 1]}.");
            Assert.Equal(Receipts(whole), Receipts(again));
        }
    }

    [Fact]
    public async Task Where_too_many_leave_the_sum_is_tried_again_with_the_rest()
    {
        var clients = new SecureClients(Plan) { IsSilent = (name, task) => name is "c1" or "c3" && task.Stage == SessionStage.Mask && task.Terms!.Attempt == 1 };
        using EngineRun run = Start(clients, new InMemoryJournal(), null, clients.IsSilent);
        await run.RunAsync();
        Assert.All(run.State.Rounds, round => Assert.Equal((2, 3), (round.SecureAggregation!.Attempt, round.Contributors)));
        Assert.All(run.State.Rounds[0].Clients.Where(client => client.Client is "c1" or "c3"), client => Assert.Equal((ClientOutcome.Refused, "secagg.late"), (client.Outcome, client.Reason)));
        Assert.Equal(2, run.Journal.Facts.OfType<SumOpened>().Count(opened => opened is { Round: 1, Purpose: SumPurpose.Update }));
    }

    // Some have given their shares, and another attempt with others would show the difference.
    [Fact]
    public async Task Where_somebody_helped_to_unmask_it_is_not_tried_again()
    {
        var clients = new SecureClients(Plan);
        using EngineRun run = Start(clients, new InMemoryJournal(), null, (name, task) => name is "c1" or "c3" && task.Stage == SessionStage.Unmask && task.Round == 2 && task.Of is TrainTask);
        await run.RunAsync();
        Assert.Equal([true, false, true], run.State.Rounds.Select(round => round.Committed));
        Assert.Equal("secagg.missing: 3 shares of a secret of client 'c0' came in, but 4 recover it. Missing: c1, c3; of 5 who were ready 2 secagg.late (c1, c3)", run.State.Rounds[1].Reason);

        // What the receipts say of sums is of their own rounds.
        Assert.Equal([false, true, false], run.State.Rounds.Select(round => round.SecureAggregation is null));
        Assert.Equal(0, run.State.Rounds[1].BytesUp);
        Assert.Single(run.Journal.Facts.OfType<SumOpened>(), opened => opened is { Round: 2, Purpose: SumPurpose.Update });
    }

    // Who cannot open them leaves; and who made them leave is known by how many they are.
    [Fact]
    public async Task Whose_shares_many_cannot_open_is_left_out_of_the_next_attempt_and_they_are_not()
    {
        var clients = new SecureClients(Plan)
        {
            Alter = (name, task, answer) => name == "c1" && task is { Stage: SessionStage.Share, Of: TrainTask } ? [.. answer.Select(part => (byte)(part ^ 1))] : answer,
        };
        using EngineRun run = Start(clients, new InMemoryJournal(), null, (_, _) => false);
        await run.RunAsync();
        Assert.All(run.State.Rounds, round => Assert.Equal((true, 4, 2), (round.Committed, round.Contributors, round.SecureAggregation!.Attempt)));
        Assert.All(run.State.Rounds, round => Assert.Equal([(ClientOutcome.Refused, "secagg.share")], round.Clients.Where(client => client.Client == "c1").Select(client => (client.Outcome, client.Reason))));
    }

    // The first four are enough; one of them lies, and the fifth is asked then.
    [Fact]
    public async Task A_wrong_share_among_the_first_that_are_enough_is_done_without()
    {
        using EngineRun whole = Start(new SecureClients(Plan), new InMemoryJournal(), null, (_, _) => false);
        await whole.RunAsync();
        var clients = new SecureClients(Plan) { Alter = (name, task, answer) => name == "c0" && task.Stage == SessionStage.Unmask ? [.. answer.Select((part, i) => i == 36 * 2 ? (byte)(part ^ 1) : part)] : answer };
        using EngineRun run = Start(clients, new InMemoryJournal(), null, (_, _) => false);
        await run.RunAsync();
        Assert.All(run.State.Rounds, round => Assert.Equal(5, round.Contributors));
        Assert.True(whole.Model.SequenceEqual(run.Model));
    }

    // A sum that the round cannot use would show something for nothing.
    [Fact]
    public async Task Of_fewer_than_must_report_nothing_is_unmasked()
    {
        RunPlan plan = PlanFor(reports: 5);
        using var run = new EngineRun(plan, clients: 5);
        new SecureClients(plan) { IsSilent = (name, task) => name == "c1" && task is { Stage: SessionStage.Mask, Round: 2, Of: TrainTask } }.Join(run.Fleet);
        run.Fleet.Update = Update;
        await run.RunAsync();
        Assert.Equal([true, false, true], run.State.Rounds.Select(round => round.Committed));
        Assert.Equal("secagg.cohort: 4 of 5 clients can be summed, but the sum is of at least 5: 1 secagg.late (c1)", run.State.Rounds[1].Reason);
        Assert.DoesNotContain(run.Fleet.Sent.OfType<ExchangeTask>(), task => task is { Round: 2, Stage: > SessionStage.Mask, Of: TrainTask });

        // Behind it the model is what it was, and its metrics have been summed.
        Assert.Equal([1, 3], run.State.Evaluations.Select(evaluation => evaluation.Round));
    }

    // With a third to vanish no threshold is safe for three, though one is for four.
    [Fact]
    public async Task Where_no_threshold_is_safe_for_those_who_are_ready_the_round_is_abandoned()
    {
        RunPlan plan = PlanFor(maximumDropout: 0.34);
        using var run = new EngineRun(plan, clients: 4);
        new SecureClients(plan).Join(run.Fleet);
        run.Fleet.Update = Update;
        run.Fleet.OnTrainOf = client => [client == 2 ? new Answer(Outcome: ClientOutcome.Declined) : new Answer()];
        Assert.Contains("secagg.parameters: ", (await Assert.ThrowsAsync<FedCoreException>(() => run.RunAsync())).Message, StringComparison.Ordinal);
        Assert.All(run.State.Rounds, round => Assert.StartsWith("secagg.parameters: ", round.Reason, StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_clients_were_given_differently_is_not_summed()
    {
        using EngineRun run = Start(new SecureClients(Plan), new InMemoryJournal(), null);
        run.Fleet.Assignment = task => [.. Enumerable.Repeat((byte)(task is TrainTask { Round: 2, Position: 3 } ? 1 : 0), 32)];
        await run.RunAsync();
        Assert.Equal([true, false, true], run.State.Rounds.Select(round => round.Committed));
        Assert.StartsWith("secagg.assignment: The strategy gave the clients different work", run.State.Rounds[1].Reason, StringComparison.Ordinal);
        Assert.DoesNotContain(run.Fleet.Sent.OfType<ExchangeTask>(), task => task is { Round: 2, Of: TrainTask });
    }

    [Fact]
    public async Task As_soon_as_the_shares_are_enough_nobody_is_waited_for()
    {
        using EngineRun run = Start(new SecureClients(Plan), new InMemoryJournal(), null, (name, task) => name == "c4" && task.Stage == SessionStage.Unmask);
        DateTimeOffset start = run.Clock.GetUtcNow();
        await run.RunAsync();
        Assert.All(run.State.Rounds, round => Assert.Equal(5, round.Contributors));
        Assert.Equal(start, run.Clock.GetUtcNow());
    }

    [Fact]
    public async Task Of_an_attempt_that_came_to_nothing_the_fleet_may_drop_the_answers_and_of_no_other_one()
    {
        var clients = new SecureClients(Plan) { IsSilent = (name, task) => name is "c1" or "c3" && task.Stage == SessionStage.Mask && task.Terms!.Attempt == 1 };
        using EngineRun run = Start(clients, new InMemoryJournal(), null, clients.IsSilent);
        await run.RunAsync();
        Assert.NotEmpty(run.Fleet.Released);
        Assert.Equal(run.Fleet.Sent.OfType<ExchangeTask>().Where(task => task.Terms!.Attempt == 1), run.Fleet.Released);
    }

    // An answer that was dropped cannot be had again: a client masks its input once.
    [Fact]
    public async Task Killed_behind_any_fact_of_a_second_attempt_the_run_ends_with_the_same_bits()
    {
        static bool IsSilent(string name, ExchangeTask task) => name is "c1" or "c3" && task is { Round: 1, Stage: SessionStage.Mask, Of: TrainTask, Terms.Attempt: 1 };
        using EngineRun whole = Start(new SecureClients(Plan), new InMemoryJournal(), Checkpoints(), IsSilent);
        await whole.RunAsync();
        Assert.Equal([3, 5, 5], whole.State.Rounds.Select(round => round.Contributors));
        int second = whole.Journal.Facts.ToList().FindIndex(fact => fact is SumOpened opened && SessionTerms.Decode(opened.Terms).Attempt == 2), facts = whole.Journal.Facts.Count;
        for (int length = second + 1; length < facts; length++)
        {
            (SecureClients clients, InMemoryJournal journal, MemoryCheckpoints checkpoints) = (new SecureClients(Plan), new InMemoryJournal(), Checkpoints());
            using (EngineRun killed = Start(clients, journal, checkpoints, IsSilent, length))
                await Assert.ThrowsAsync<KilledException>(() => killed.RunAsync());
            using EngineRun again = Start(clients, journal, checkpoints, IsSilent);
            await again.RunAsync();
            Assert.True(whole.Model.SequenceEqual(again.Model), $"The model differs behind {length} facts, the last {journal.Facts[length - 1]}.");
        }
    }

    private static EngineRun Start(
        SecureClients clients, InMemoryJournal journal, MemoryCheckpoints? checkpoints, Func<string, ExchangeTask, bool>? isSilent = null, int killBehind = int.MaxValue)
    {
        int facts = journal.Facts.Count;
        var run = new EngineRun(Plan, clients: 5)
        {
            Journal = journal,
            Checkpoints = checkpoints,
            OnFact = _ =>
            {
                if (++facts == killBehind) throw new KilledException();
            },
        };
        clients.IsSilent = isSilent ?? ((name, task) => task.Of is TrainTask && ((name == "c1" && task is { Round: 2, Stage: >= SessionStage.Mask }) || (name == "c3" && task is { Round: 3, Stage: >= SessionStage.Confirm })));
        clients.Join(run.Fleet);
        run.Fleet.KeepsUpdates = true;
        run.Fleet.Update = Update;
        return run;
    }

    private static MemoryCheckpoints Checkpoints() => new(1) { CommitsRounds = true };

    // What each was, times and sizes aside: a process that comes later than the stages knows less of them.
    private static string Receipts(EngineRun run) => string.Join('\n', run.State.Rounds.Select(round =>
        $"{round.Round} {round.Committed} {round.Contributors} {round.Weight} {round.SecureAggregation!.Survivors} {string.Join(' ', round.Clients)}")
        .Concat(run.State.Evaluations.Select(evaluation => $"{evaluation.Round} {evaluation.Contributors} {string.Join(' ', evaluation.Metrics)}")));

    private static ScriptedUpdate Update(SiteTask task, ClientDescriptor client)
    {
        float[] model = task.Model.Trainable.AsSpan().ToArray();
        if (task is EvaluateTask) return new ScriptedUpdate([], [10, model.Sum(value => (double)value * value), model.Sum(value => (double)Math.Abs(value))]);
        RandomStream random = Statistics.Stream($"client {client.Id}", task.Round);
        return new ScriptedUpdate([.. model.Select(value => (float)random.NextNormal() - 0.3f * value)], [1, 1, 0.5, 0.25]);
    }

    private static RunPlan PlanFor(double maximumDropout = 0.2, int reports = 3) => EngineRun.PlanFor(
        run => run with { Training = run.Training with { WeightBy = WeightBy.Uniform }, SecureAggregation = new SecureAggregationPolicy { MaximumDropout = maximumDropout } },
        new RoundPolicy { Count = 3, MinimumReports = reports },
        new EvaluationPlan { Every = 1 });

    private sealed class KilledException : Exception;
}
