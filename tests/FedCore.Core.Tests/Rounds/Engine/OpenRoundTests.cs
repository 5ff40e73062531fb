using FedCore.Rounds;
using FedCore.Rounds.Selection;

namespace FedCore.Core.Tests.Rounds.Engine;

/// <summary>Where updates outlast the process, a round that was open when it ended is gone on with: nobody who reported is asked again.</summary>
public class OpenRoundTests
{
    private static readonly RunPlan Plan = EngineRun.PlanFor(
        rounds: new RoundPolicy { Count = 5, Cohort = new UniformSelection { Size = 5 }, OverSelection = 0.4, MinimumReports = 3 },
        evaluation: new EvaluationPlan { Every = 2, Cohort = new UniformSelection { Size = 4 } });

    [Fact]
    public async Task From_every_prefix_of_its_facts_the_run_ends_with_the_same_bits_and_receipts()
    {
        var all = new MemoryCheckpoints(1) { CommitsRounds = true };
        using EngineRun whole = New(new InMemoryJournal(), all);
        await whole.RunAsync();
        Assert.Contains(whole.State.Rounds, round => !round.Committed);
        for (int length = 0; length <= whole.Journal.Facts.Count; length++)
        {
            using EngineRun second = New(await PrefixAsync(whole.Journal, length), all);
            RunState before = await FoldAsync(second.Journal);
            await second.RunAsync();
            Assert.True(whole.Model.SequenceEqual(second.Model), $"The model differs behind {length} facts.");
            Assert.Equal(Outcomes(whole), Outcomes(second));
            Assert.DoesNotContain(second.Journal.Facts.Skip(length), fact => fact is RunResumed && before.Checkpoint is not null);
            if (before.OpenRound is not { } round) continue;
            int[] known = [.. Enumerable.Range(0, before.Clients.Count).Where(p => before.Replies[p] is not null)];
            Assert.DoesNotContain(second.Fleet.Sent, task => task is TrainTask && task.Round == round.Round && known.Contains(task.Position));
        }
    }

    [Fact]
    public async Task A_round_of_which_an_update_is_gone_is_held_again_from_its_beginning()
    {
        var all = new MemoryCheckpoints(1) { CommitsRounds = true };
        using EngineRun whole = New(new InMemoryJournal(), all);
        await whole.RunAsync();
        int length = 1 + whole.Journal.Facts.ToList().FindIndex(fact => fact is SetClosed { Round: 2 });
        using EngineRun second = New(await PrefixAsync(whole.Journal, length), all);
        second.Fleet.IsKept = task => task.Position != second.Fleet.Recalled[0].Position;
        await second.RunAsync();
        Assert.Equal(new RunResumed(1), second.Journal.Facts[length]);
        Assert.Equal(whole.Model, second.Model);
    }

    [Fact]
    public async Task The_state_behind_a_round_is_safe_before_its_end_is_a_fact()
    {
        var checkpoints = new MemoryCheckpoints(1) { CommitsRounds = true };
        var missing = new List<int>();
        using EngineRun run = New(new InMemoryJournal(), checkpoints, fact =>
        {
            if (fact is RoundEnded { Receipt: { Committed: true } receipt } && !checkpoints.Files.ContainsKey(receipt.Round)) missing.Add(receipt.Round);
        });
        await run.RunAsync();
        Assert.Empty(missing);
        Assert.Equal(new CheckpointSaved(0, run.Journal.Facts.OfType<CheckpointSaved>().Single().Digest), run.Journal.Facts.OfType<CheckpointSaved>().Single());
        Assert.All(run.Journal.Facts.OfType<RoundEnded>(), ended => Assert.NotNull(ended.Checkpoint));
    }

    [Fact]
    public async Task Before_each_round_the_fleet_is_waited_for_until_enough_clients_are_there()
    {
        using EngineRun run = New(new InMemoryJournal(), null);
        await run.RunAsync();
        Assert.Equal([3, 3, 3, 3, 3], run.Fleet.Waited);
    }

    // Times aside: the time that a process was away is part of the round's.
    internal static string Outcomes(EngineRun run) => string.Join('\n', run.State.Rounds.Select(round =>
        $"{round.Round} {round.Committed} {round.Reason} {round.Contributors} {round.Weight} {string.Join(' ', round.Clients)} {round.BytesUp} {round.BytesDown}"));

    private static EngineRun New(InMemoryJournal journal, MemoryCheckpoints? checkpoints, Action<RunEvent>? onFact = null)
    {
        var run = new EngineRun(Plan, clients: 30) { Journal = journal, Checkpoints = checkpoints, OnFact = onFact };
        run.Fleet.KeepsUpdates = true;

        // Each answers at a time of its own, so that the order of answers does not hang on when it was asked.
        run.Fleet.OnTrain = task => [new Answer(task.Position + 1, ((task.Round * 7 + task.Position * 3) % 6) switch
        {
            _ when task.Round == 3 && task.Position > 1 => ClientOutcome.Lost,
            0 => ClientOutcome.Lost,
            1 => ClientOutcome.Declined,
            _ => ClientOutcome.Reported,
        })];
        return run;
    }

    [Fact]
    public async Task A_clock_that_was_set_back_meanwhile_makes_no_round_longer_than_its_deadline()
    {
        RunPlan plan = EngineRun.PlanFor(rounds: new RoundPolicy { Count = 1, DeadlineSeconds = 10, MinimumReports = 1 });
        var checkpoints = new MemoryCheckpoints(1, plan) { CommitsRounds = true };
        EngineRun New(InMemoryJournal journal)
        {
            var run = new EngineRun(plan, 2) { Journal = journal, Checkpoints = checkpoints };
            run.Fleet.KeepsUpdates = true;
            run.Fleet.OnTrain = task => [task.Position == 0 ? new Answer(1) : Answer.Never];
            return run;
        }

        using EngineRun whole = New(new InMemoryJournal());
        await whole.RunAsync();
        var journal = new InMemoryJournal();
        foreach (RunEvent fact in whole.Journal.Facts.TakeWhile(fact => fact is not ReplyTaken))
            await journal.AppendAsync(fact is RoundOpened opened ? opened with { At = opened.At.AddHours(1) } : fact, TestContext.Current.CancellationToken);
        using EngineRun second = New(journal);
        DateTimeOffset start = second.Clock.GetUtcNow();
        await second.RunAsync();
        Assert.Equal(start.AddSeconds(10), Assert.Single(second.State.Rounds).Closed);
    }

    internal static async Task<InMemoryJournal> PrefixAsync(InMemoryJournal journal, int length)
    {
        var prefix = new InMemoryJournal();
        foreach (RunEvent fact in journal.Facts.Take(length)) await prefix.AppendAsync(fact, TestContext.Current.CancellationToken);
        return prefix;
    }

    internal static async Task<RunState> FoldAsync(InMemoryJournal journal)
    {
        var state = new RunState();
        await foreach (RunEvent fact in journal.ReadAsync(TestContext.Current.CancellationToken)) state.Apply(fact);
        return state;
    }
}
