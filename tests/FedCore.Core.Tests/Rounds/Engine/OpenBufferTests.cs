using FedCore.Aggregation.Robust;
using FedCore.Rounds;
using FedCore.Rounds.Selection;
using FedCore.Rounds.Staleness;

namespace FedCore.Core.Tests.Rounds.Engine;

/// <summary>Where updates outlast the process, a buffered run is gone on with: the buffer keeps what is in it, and who is at work stays there.</summary>
public class OpenBufferTests
{
    // As many are at work as there are clients: who is asked next is who has just answered.
    private const int Clients = 4;

    private static readonly RunPlan Plan = EngineRun.PlanFor(
        rounds: new RoundPolicy { Count = 6, Cohort = new UniformSelection { Size = Clients }, Buffer = new BufferPolicy { Size = 3, Staleness = new PolynomialStaleness() } },
        evaluation: new EvaluationPlan { Every = 2, Cohort = new UniformSelection { Size = 2 } });

    [Fact]
    public async Task From_every_prefix_of_its_facts_the_run_ends_with_the_same_bits_and_receipts()
    {
        var all = new MemoryCheckpoints(1, Plan) { CommitsRounds = true };
        using EngineRun whole = New(new InMemoryJournal(), all);
        await whole.RunAsync();
        Assert.Contains(whole.State.Rounds.SelectMany(round => round.Clients), client => client.Work?.Staleness >= 2);
        for (int length = 0; length <= whole.Journal.Facts.Count; length++)
        {
            using EngineRun second = New(await OpenRoundTests.PrefixAsync(whole.Journal, length), all);
            RunState before = await OpenRoundTests.FoldAsync(second.Journal);
            await second.RunAsync();
            Assert.Equal(OpenRoundTests.Outcomes(whole), OpenRoundTests.Outcomes(second));
            Assert.True(whole.Model.SequenceEqual(second.Model), $"The model differs behind {length} facts.");
            Assert.DoesNotContain(second.Journal.Facts.Skip(length), fact => fact is RunResumed && before.Checkpoint is not null);
        }
    }

    [Fact]
    public async Task Who_is_at_work_since_an_earlier_round_gets_the_model_that_was_the_newest_then()
    {
        var all = new MemoryCheckpoints(1, Plan) { CommitsRounds = true };
        using EngineRun whole = New(new InMemoryJournal(), all);
        var models = new Dictionary<(int, int), float[]>();
        whole.Fleet.OnTrained = task => models[(task.Round, task.Position)] = task.Model.Trainable.AsSpan().ToArray();
        await whole.RunAsync();
        int length = 1;
        while ((await OpenRoundTests.FoldAsync(await OpenRoundTests.PrefixAsync(whole.Journal, length))) is var state && !(state.OpenRound is null && state.Askings.Any(asking => asking.Round < state.LastRound))) length++;
        using EngineRun second = New(await OpenRoundTests.PrefixAsync(whole.Journal, length), all);
        int last = (await OpenRoundTests.FoldAsync(second.Journal)).LastRound;
        var again = new List<(int Round, int Position)>();
        second.Fleet.OnTrained = task =>
        {
            Assert.Equal(models[(task.Round, task.Position)], task.Model.Trainable.AsSpan().ToArray());
            again.Add((task.Round, task.Position));
        };
        await second.RunAsync();
        Assert.Contains(again, task => task.Round < last);
    }

    [Fact]
    public async Task Where_a_model_is_gone_that_somebody_is_at_work_with_the_round_is_held_again()
    {
        var all = new MemoryCheckpoints(1, Plan) { CommitsRounds = true };
        using EngineRun whole = New(new InMemoryJournal(), all);
        await whole.RunAsync();
        int length = 1 + whole.Journal.Facts.ToList().FindIndex(fact => fact is SetClosed { Round: 4 });
        var newest = new MemoryCheckpoints(1, Plan) { CommitsRounds = true, Files = { [3] = all.Files[3] } };
        using EngineRun second = New(await OpenRoundTests.PrefixAsync(whole.Journal, length), newest);
        await second.RunAsync();
        Assert.Equal(new RunResumed(3), second.Journal.Facts[length]);
        Assert.Equal(6, second.State.LastRound);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_process_that_ends_while_a_sum_refuses_updates_leaves_a_round_that_ends_as_it_would_have(bool isBuffered)
    {
        var rounds = new RoundPolicy
        {
            Count = 4,
            MinimumReports = isBuffered ? 1 : null,
            Cohort = new UniformSelection { Size = Clients },
            Buffer = isBuffered ? new BufferPolicy { Size = 3, Staleness = new PolynomialStaleness() } : null,
        };
        RunPlan plan = EngineRun.PlanFor(run => isBuffered ? run : run with { Aggregator = new TrimmedMean { Byzantine = 1 }, Disclosures = [Disclosure.IndividualUpdates] }, rounds);
        EngineRun New(InMemoryJournal journal, MemoryCheckpoints checkpoints)
        {
            var run = new EngineRun(plan, Clients) { Journal = journal, Checkpoints = checkpoints };
            run.Fleet.KeepsUpdates = true;
            run.Fleet.Update = (task, client) => client.Index == 0 ? ScriptedUpdate.Refused("update.damaged") : ScriptedUpdate.Of(task, client);
            return run;
        }

        var checkpoints = new MemoryCheckpoints(1, plan) { CommitsRounds = true };
        using EngineRun whole = New(new InMemoryJournal(), checkpoints);
        await whole.RunAsync();
        int[] contributors = [.. whole.State.Rounds.Select(receipt => receipt.Contributors)];
        for (int length = 0; length < whole.Journal.Facts.Count; length++)
        {
            if (whole.Journal.Facts[Math.Max(0, length - 1)] is not ReplyTaken { Outcome: ClientOutcome.Refused }) continue;
            using EngineRun second = New(await OpenRoundTests.PrefixAsync(whole.Journal, length), checkpoints);
            await second.RunAsync();
            Assert.Equal(contributors, second.State.Rounds.Select(receipt => receipt.Contributors));
        }

        Assert.Contains(whole.Journal.Facts, fact => fact is ReplyTaken { Outcome: ClientOutcome.Refused });
    }

    // An answer comes at a time that hangs on the task alone: the first of every third round takes until two rounds later.
    private static EngineRun New(InMemoryJournal journal, MemoryCheckpoints checkpoints)
    {
        var run = new EngineRun(Plan, Clients) { Journal = journal, Checkpoints = checkpoints };
        run.Fleet.KeepsUpdates = true;
        DateTimeOffset start = run.Clock.GetUtcNow();
        run.Fleet.OnTrain = task =>
        {
            DateTimeOffset due = start.AddSeconds((1000 * task.Round) + (10 * task.Position) + (task.Round % 3 == 1 && task.Position == 1 ? 2005 : 0));
            return [new Answer(Math.Max(0, (due - run.Clock.GetUtcNow()).TotalSeconds))];
        };
        return run;
    }
}
