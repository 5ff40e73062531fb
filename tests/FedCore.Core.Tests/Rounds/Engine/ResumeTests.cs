using FedCore.Rounds;
using FedCore.Rounds.Selection;
using FedCore.Strategies;

namespace FedCore.Core.Tests.Rounds.Engine;

/// <summary>A run that stops anywhere and goes on from its journal and checkpoints ends as if it had never stopped.</summary>
public class ResumeTests
{
    // Some of everything: over-selection, a deadline, clients that vanish, decline, are late or refused, an abandoned round (3), a strategy with state.
    private static readonly RunPlan Plan = EngineRun.PlanFor(
        rounds: new RoundPolicy { Count = 8, Cohort = new UniformSelection { Size = 5 }, OverSelection = 0.4, DeadlineSeconds = 10, MinimumReports = 2 },
        evaluation: new EvaluationPlan { Every = 3, Cohort = new UniformSelection { Size = 4 } });

    [Fact]
    public async Task The_run_that_is_interrupted_knows_every_outcome_and_an_abandoned_round()
    {
        using EngineRun whole = New(new InMemoryJournal(), null);
        await whole.RunAsync();
        Assert.Equal(
            Enum.GetValues<ClientOutcome>().Except([ClientOutcome.Pending]).Order(),
            whole.State.Rounds.SelectMany(round => round.Clients).Select(client => client.Outcome).Distinct().Order());
        Assert.Equal([3], whole.State.Rounds.Where(round => !round.Committed).Select(round => round.Round));
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(3, false)]
    [InlineData(3, true)]
    public async Task From_every_prefix_of_its_facts_a_run_ends_with_the_same_bits_and_receipts(int checkpointEvery, bool nextCheckpointIsThere)
    {
        var all = new MemoryCheckpoints(checkpointEvery);
        using EngineRun whole = New(new InMemoryJournal(), all);
        await whole.RunAsync();
        for (int length = 0; length <= whole.Journal.Facts.Count; length++)
        {
            using EngineRun resumed = New(
                await PrefixAsync(whole.Journal, length), Kept(whole.Journal.Facts.Take(length), all, checkpointEvery, nextCheckpointIsThere));
            RunEnded end = await resumed.RunAsync();
            Assert.True(whole.Model.SequenceEqual(resumed.Model), $"The model differs behind {length} facts.");
            Assert.True(whole.Receipts == resumed.Receipts, $"The receipts differ behind {length} facts.");
            Assert.Equal(whole.State.Ended, end);
        }
    }

    [Fact]
    public async Task From_every_prefix_a_run_without_checkpoints_begins_again_and_ends_with_the_same_bits()
    {
        using EngineRun whole = New(new InMemoryJournal(), null);
        await whole.RunAsync();
        for (int length = 0; length <= whole.Journal.Facts.Count; length++)
        {
            using EngineRun resumed = New(await PrefixAsync(whole.Journal, length), null);
            await resumed.RunAsync();
            Assert.True(whole.Model.SequenceEqual(resumed.Model), $"The model differs behind {length} facts.");
            Assert.True(whole.Receipts == resumed.Receipts, $"The receipts differ behind {length} facts.");
        }
    }

    [Fact]
    public async Task A_run_that_is_cancelled_behind_any_fact_goes_on_to_the_same_end()
    {
        using EngineRun whole = New(new InMemoryJournal(), new MemoryCheckpoints(2));
        await whole.RunAsync();
        for (int last = 1; last < whole.Journal.Facts.Count; last++)
        {
            var journal = new InMemoryJournal();
            var checkpoints = new MemoryCheckpoints(2);
            using var stop = new CancellationTokenSource();
            using EngineRun first = New(journal, checkpoints, _ =>
            {
                if (journal.Facts.Count >= last) stop.Cancel();
            });
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.RunAsync(stop.Token));
            using EngineRun second = New(journal, checkpoints);
            await second.RunAsync();
            Assert.True(whole.Model.SequenceEqual(second.Model), $"The model differs behind fact {last}.");
            Assert.True(whole.Receipts == second.Receipts, $"The receipts differ behind fact {last}.");
        }
    }

    [Fact]
    public async Task A_run_that_is_interrupted_again_and_again_ends_with_the_same_bits()
    {
        using EngineRun whole = New(new InMemoryJournal(), new MemoryCheckpoints(1));
        await whole.RunAsync();
        var journal = new InMemoryJournal();
        var checkpoints = new MemoryCheckpoints(1);
        for (int attempt = 0; ; attempt++)
        {
            using var stop = new CancellationTokenSource();
            int facts = journal.Facts.Count + 12 + attempt % 5;
            using EngineRun part = New(journal, checkpoints, _ =>
            {
                if (journal.Facts.Count >= facts) stop.Cancel();
            });
            try
            {
                await part.RunAsync(stop.Token);
                Assert.InRange(attempt, 3, 100);
                Assert.Equal(whole.Model, part.Model);
                Assert.Equal(whole.Receipts, part.Receipts);
                return;
            }
            catch (OperationCanceledException)
            {
            }
        }
    }

    [Fact]
    public async Task A_run_that_is_over_is_only_loaded()
    {
        var journal = new InMemoryJournal();
        var checkpoints = new MemoryCheckpoints(100);
        using EngineRun whole = New(journal, checkpoints);
        await whole.RunAsync();
        int facts = journal.Facts.Count;
        using EngineRun again = New(journal, checkpoints);
        await again.RunAsync();
        Assert.Equal(whole.Model, again.Model);
        Assert.Equal((facts, 0), (journal.Facts.Count, again.Fleet.Sent.Count));
    }

    [Fact]
    public async Task A_changed_definition_is_refused()
    {
        var journal = new InMemoryJournal();
        using EngineRun run = new() { Journal = journal };
        await run.RunAsync();
        using EngineRun changed = new(change: run => run with { Seed = 2 }) { Journal = journal };
        Assert.Equal("run.changed", (await Assert.ThrowsAsync<FedCoreException>(() => changed.RunAsync())).Code);
    }

    [Fact]
    public async Task A_changed_strategy_is_refused_by_name()
    {
        var journal = new InMemoryJournal();
        using EngineRun run = new() { Journal = journal };
        await run.RunAsync();
        using EngineRun changed = new(change: run => run with { Strategy = new Scaffold() }) { Journal = journal };
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => changed.RunAsync());
        Assert.Equal("run.changed", fault.Code);
        Assert.Contains("has the strategy momentum, but its definition now has scaffold+average", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Changed_data_is_refused()
    {
        var journal = new InMemoryJournal();
        using EngineRun run = new() { Journal = journal, Environment = "a" };
        await run.RunAsync();
        using EngineRun changed = new() { Journal = journal, Environment = "b" };
        Assert.Equal("run.changed", (await Assert.ThrowsAsync<FedCoreException>(() => changed.RunAsync())).Code);
    }

    [Fact]
    public async Task Abandoned_rounds_in_a_row_are_counted_across_an_interruption()
    {
        var journal = new InMemoryJournal();
        var checkpoints = new MemoryCheckpoints(1);
        using var stop = new CancellationTokenSource();
        EngineRun New(Action<RunEvent>? onFact) => new(rounds: new RoundPolicy { Count = 100, MaxAbandonedInARow = 4 })
        {
            Journal = journal,
            Checkpoints = checkpoints,
            OnFact = onFact,
            Fleet = { OnTrain = task => [new Answer(1, task.Round <= 1 ? ClientOutcome.Reported : ClientOutcome.Lost)] },
        };
        using EngineRun first = New(fact =>
        {
            if (fact is CheckpointSaved { Round: 3 }) stop.Cancel();
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.RunAsync(stop.Token));
        using EngineRun second = New(null);
        await Assert.ThrowsAsync<FedCoreException>(() => second.RunAsync());
        Assert.Equal(5, second.State.LastRound);
    }

    [Fact]
    public async Task A_run_with_checkpoints_does_not_go_on_without_a_store()
    {
        var journal = new InMemoryJournal();
        using EngineRun first = New(journal, new MemoryCheckpoints(1));
        await first.RunAsync();
        using EngineRun second = New(journal, null);
        Assert.Equal("run.checkpoint", (await Assert.ThrowsAsync<FedCoreException>(() => second.RunAsync())).Code);
    }

    // What a hand or a bad disk can make of a journal without breaking a line.
    [Theory]
    [InlineData("a fact before the run was opened")]
    [InlineData("opened twice")]
    [InlineData("a round that is not the next")]
    [InlineData("a round within a round")]
    [InlineData("a reply outside the cohort")]
    [InlineData("a reply of another round")]
    [InlineData("the end of a round that is not open")]
    [InlineData("another client in a round that is not buffered")]
    [InlineData("a checkpoint of a round to come")]
    [InlineData("resumed from no checkpoint")]
    public async Task A_journal_that_makes_no_sense_is_refused(string what)
    {
        var opened = new RunOpened(Plan.Hash, "");
        var round = new RoundOpened(1, DateTimeOffset.UnixEpoch, [0, 1, 2], 3);
        RunEvent[] facts = what switch
        {
            "a fact before the run was opened" => [round],
            "opened twice" => [opened, opened],
            "a round that is not the next" => [opened, round with { Round = 2 }],
            "a round within a round" => [opened, round, round],
            "a reply outside the cohort" => [opened, round, new ReplyTaken(1, 3, ClientOutcome.Reported, null)],
            "a reply of another round" => [opened, round, new ReplyTaken(2, 0, ClientOutcome.Reported, null)],
            "the end of a round that is not open" => [opened, new SetClosed(1, DateTimeOffset.UnixEpoch, "")],
            "another client in a round that is not buffered" => [opened, round, new ClientAsked(1, 7)],
            "a checkpoint of a round to come" => [opened, new CheckpointSaved(1, "")],
            _ => [opened, new RunResumed(1)],
        };
        var journal = new InMemoryJournal();
        foreach (RunEvent fact in facts) await journal.AppendAsync(fact, TestContext.Current.CancellationToken);
        using EngineRun run = New(journal, new MemoryCheckpoints(1));
        Assert.Equal("run.journal", (await Assert.ThrowsAsync<FedCoreException>(() => run.RunAsync())).Code);
        Assert.Empty(run.Fleet.Sent);
    }

    private static EngineRun New(InMemoryJournal journal, MemoryCheckpoints? checkpoints, Action<RunEvent>? onFact = null)
    {
        var run = new EngineRun(Plan, clients: 30)
        {
            Journal = journal,
            Checkpoints = checkpoints,
            OnFact = onFact,
        };
        run.Fleet.OnTrain = task => [(((task.Round * 7) + (task.Position * 3)) % 11) switch
        {
            _ when task.Round == 3 && task.Position > 0 => new Answer(1, ClientOutcome.Lost, "gone"),
            0 => new Answer(2, ClientOutcome.Lost, "gone"),
            1 => new Answer(0, ClientOutcome.Declined, "busy"),
            2 => new Answer(11),
            var seconds => new Answer(seconds / 2.0),
        }];
        run.Fleet.Update = (task, client) => task is TrainTask && client.Index % 7 == 3 ? ScriptedUpdate.Refused("test.code") : ScriptedUpdate.Of(task, client);
        return run;
    }

    private static async Task<InMemoryJournal> PrefixAsync(InMemoryJournal journal, int length)
    {
        var prefix = new InMemoryJournal();
        foreach (RunEvent fact in journal.Facts.Take(length)) await prefix.AppendAsync(fact, TestContext.Current.CancellationToken);
        return prefix;
    }

    // The checkpoints that the facts name; and, where the process ended between file and fact, one more.
    private static MemoryCheckpoints Kept(IEnumerable<RunEvent> facts, MemoryCheckpoints all, int every, bool oneMore)
    {
        int last = facts.OfType<CheckpointSaved>().LastOrDefault()?.Round ?? 0;
        int limit = oneMore ? all.Files.Keys.Where(round => round > last).DefaultIfEmpty(last).Min() : last;
        return new MemoryCheckpoints(every) { Files = all.Files.Where(file => file.Key <= limit).ToDictionary() };
    }
}
