using FedCore.Rounds;
using FedCore.Rounds.Selection;

namespace FedCore.Core.Tests.Rounds.Engine;

public class RoundCommitTests
{
    [Fact]
    public async Task A_round_is_a_fixed_sequence_of_facts()
    {
        using var run = new EngineRun(clients: 2, rounds: new RoundPolicy { Count = 2 }, evaluation: new EvaluationPlan { Every = 2 }) { Checkpoints = new MemoryCheckpoints(1) };
        await run.RunAsync();
        Assert.Equal(
            [
                "RunOpened",
                "RoundOpened", "ReplyTaken", "ReplyTaken", "SetClosed", "RoundEnded", "CheckpointSaved",
                "RoundOpened", "ReplyTaken", "ReplyTaken", "SetClosed", "RoundEnded", "EvaluationEnded", "CheckpointSaved",
                "RunEnded",
            ],
            run.FactNames);
    }

    [Fact]
    public async Task A_run_that_held_all_rounds_is_completed()
    {
        using var run = new EngineRun(rounds: new RoundPolicy { Count = 5 });
        Assert.Equal((RunEnded.Completed, 5), ((await run.RunAsync()).Code, run.State.LastRound));
    }

    // Weight 1 + index, examples as many, losses half: 1 + 2 + 3 = 6, 3 / 6 = 0.5 and 1.5 / 6 = 0.25.
    [Fact]
    public async Task A_receipt_says_who_was_asked_what_was_learned_and_what_it_cost()
    {
        using var run = new EngineRun(clients: 3, rounds: new RoundPolicy { Count = 1 });
        await run.RunAsync();
        RoundReceipt receipt = run.State.Rounds[0];
        Assert.Equal([new("c0", ClientOutcome.Reported), new("c1", ClientOutcome.Reported), new ClientReceipt("c2", ClientOutcome.Reported)], receipt.Clients);
        Assert.Equal((run.Plan.Hash, true, 3, 6.0), (receipt.Run, receipt.Committed, receipt.Contributors, receipt.Weight));
        Assert.Equal(new Dictionary<string, double> { ["localLoss"] = 0.5, ["localMeanAbsoluteError"] = 0.25 }, receipt.Metrics);

        // 8 parameters of 4 bytes each way, and 4 doubles up.
        Assert.Equal((3 * (8 * 4 + 4 * 8), 3 * 8 * 4), (receipt.BytesUp, receipt.BytesDown));
    }

    [Fact]
    public async Task Every_client_of_the_cohort_gets_the_task_of_its_round()
    {
        using var run = new EngineRun(clients: 10, rounds: new RoundPolicy { Count = 2, Cohort = new UniformSelection { Size = 3 } });
        await run.RunAsync();
        Assert.Equal([(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)], run.Fleet.Sent.Select(task => (task.Round, task.Position)));
    }

    [Fact]
    public async Task The_cohort_is_drawn_anew_in_every_round()
    {
        using var run = new EngineRun(clients: 1000, rounds: new RoundPolicy { Count = 3, Cohort = new UniformSelection { Size = 20 } });
        await run.RunAsync();
        Assert.Equal(3, run.Journal.Facts.OfType<RoundOpened>().Select(round => string.Join(' ', round.Cohort)).Distinct().Count());
    }

    [Fact]
    public async Task The_model_does_not_depend_on_the_order_in_which_replies_come()
    {
        using EngineRun inOrder = new(clients: 9), backwards = new(clients: 9);
        backwards.Fleet.OnTrain = task => [new Answer(100 - task.Position)];
        await inOrder.RunAsync();
        await backwards.RunAsync();
        Assert.Equal(inOrder.Model, backwards.Model);
    }

    [Fact]
    public async Task The_model_does_not_depend_on_the_number_of_threads()
    {
        using EngineRun one = new(clients: 150) { Threads = 1 }, three = new(clients: 150) { Threads = 3 };
        await one.RunAsync();
        await three.RunAsync();
        Assert.Equal(one.Model, three.Model);
    }

    // 1.3 x 4 is 5.2: six are asked, four are wanted.
    [Fact]
    public async Task Over_selection_closes_at_the_wanted_reports_and_withdraws_the_rest()
    {
        using var run = new EngineRun(clients: 50, rounds: new RoundPolicy { Count = 1, Cohort = new UniformSelection { Size = 4 }, OverSelection = 0.3 });
        run.Fleet.OnTrain = task => [new Answer(task.Position == 1 ? 100 : task.Position)];
        await run.RunAsync();
        ClientOutcome[] outcomes = [.. run.State.Rounds[0].Clients.Select(client => client.Outcome)];
        Assert.Equal([ClientOutcome.Reported, ClientOutcome.Late, ClientOutcome.Reported, ClientOutcome.Reported, ClientOutcome.Reported, ClientOutcome.Late], outcomes);
        Assert.Equal([1, 5], run.Fleet.Withdrawn.Select(task => task.Position));
        Assert.Equal(4, (run.State.Rounds[0].Closed - run.State.Rounds[0].Opened).TotalSeconds);
    }

    [Fact]
    public async Task A_deadline_makes_slow_clients_late_and_withdraws_them()
    {
        using var run = new EngineRun(clients: 4, rounds: new RoundPolicy { Count = 1, DeadlineSeconds = 10, MinimumReports = 1 });
        run.Fleet.OnTrain = task => [task.Position switch { 0 => new Answer(9.9), 1 => new Answer(10), 2 => new Answer(10.1), _ => Answer.Never }];
        await run.RunAsync();
        ClientOutcome[] outcomes = [.. run.State.Rounds[0].Clients.Select(client => client.Outcome)];
        Assert.Equal([ClientOutcome.Reported, ClientOutcome.Reported, ClientOutcome.Late, ClientOutcome.Late], outcomes);
        Assert.Equal([2, 3], run.Fleet.Withdrawn.Select(task => task.Position));
        Assert.Equal(10, (run.State.Rounds[0].Closed - run.State.Rounds[0].Opened).TotalSeconds);
    }

    [Fact]
    public async Task The_longest_deadline_that_a_run_may_have_can_be_kept()
    {
        double longest = typeof(RoundPolicy).GetProperty(nameof(RoundPolicy.DeadlineSeconds))!
            .GetCustomAttributes(false).OfType<System.ComponentModel.DataAnnotations.RangeAttribute>().Select(range => Convert.ToDouble(range.Maximum, null)).Single();
        using var run = new EngineRun(clients: 2, rounds: new RoundPolicy { Count = 1, DeadlineSeconds = longest, MinimumReports = 1 });
        run.Fleet.OnTrain = task => [task.Position == 0 ? new Answer(1) : Answer.Never];
        await run.RunAsync();
        Assert.Equal(longest, (run.State.Rounds[0].Closed - run.State.Rounds[0].Opened).TotalSeconds);
    }

    [Fact]
    public async Task Whoever_does_not_report_stands_in_the_receipt_with_the_reason()
    {
        using var run = new EngineRun(clients: 4, rounds: new RoundPolicy { Count = 1, MinimumReports = 1 });
        run.Fleet.OnTrain = task => [task.Position switch
        {
            0 => new Answer(1, ClientOutcome.Lost, "gone"),
            1 => new Answer(0, ClientOutcome.Declined, "busy"),
            _ => new Answer(),
        }];
        run.Fleet.Update = (task, client) => task.Position == 2 ? ScriptedUpdate.Refused("test.code") : ScriptedUpdate.Of(task, client);
        await run.RunAsync();
        Assert.Equal(
            [new("c0", ClientOutcome.Lost, "gone"), new("c1", ClientOutcome.Declined, "busy"), new("c2", ClientOutcome.Refused, "test.code"), new ClientReceipt("c3", ClientOutcome.Reported)],
            run.State.Rounds[0].Clients);
        Assert.Equal(1, run.State.Rounds[0].Contributors);
    }

    [Fact]
    public async Task A_run_without_clients_is_refused()
    {
        using var run = new EngineRun(clients: 0);
        Assert.Equal("run.cohort", (await Assert.ThrowsAsync<FedCoreException>(() => run.RunAsync())).Code);
    }
}
