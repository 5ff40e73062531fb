using FedCore.Rounds;
using FedCore.Rounds.Selection;

namespace FedCore.Core.Tests.Rounds.Engine;

public class EvaluationTests
{
    [Theory]
    [InlineData(0, 7, new int[0])]
    [InlineData(1, 3, new[] { 1, 2, 3 })]
    [InlineData(3, 7, new[] { 3, 6, 7 })]
    [InlineData(3, 6, new[] { 3, 6 })]
    [InlineData(100, 4, new[] { 4 })]
    public async Task Every_so_many_rounds_and_the_last_are_evaluated(int every, int rounds, int[] evaluated)
    {
        using var run = new EngineRun(rounds: new RoundPolicy { Count = rounds }, evaluation: new EvaluationPlan { Every = every });
        await run.RunAsync();
        Assert.Equal(evaluated, run.State.Evaluations.Select(receipt => receipt.Round));
    }

    // Each client has 10 examples and the same sums, so the means are a tenth of them.
    [Fact]
    public async Task Metrics_are_sums_over_all_clients_divided_by_their_examples()
    {
        using var run = new EngineRun(rounds: new RoundPolicy { Count = 1 }, evaluation: new EvaluationPlan());
        await run.RunAsync();
        EvaluationReceipt receipt = run.State.Evaluations[0];
        Assert.Equal(run.Model.Sum(value => (double)value * value) / 10, receipt.Metrics["loss"], 1e-12);
        Assert.Equal(run.Model.Sum(value => (double)Math.Abs(value)) / 10, receipt.Metrics["meanAbsoluteError"], 1e-12);
        Assert.Equal(4, receipt.Contributors);
    }

    [Fact]
    public async Task A_cohort_of_its_own_evaluates()
    {
        using var run = new EngineRun(
            clients: 50, rounds: new RoundPolicy { Count = 1, Cohort = new UniformSelection { Size = 3 } },
            evaluation: new EvaluationPlan { Cohort = new UniformSelection { Size = 7 } });
        await run.RunAsync();
        Assert.Equal((3, 7), (run.Fleet.Sent.OfType<TrainTask>().Count(), run.Fleet.Sent.OfType<EvaluateTask>().Count()));
    }

    [Theory]
    [InlineData(1000, 1000)]
    [InlineData(1001, 1000)]
    [InlineData(20, 20)]
    public async Task Without_a_cohort_at_most_a_thousand_evaluate(long clients, int evaluating)
    {
        using var run = new EngineRun(
            clients, rounds: new RoundPolicy { Count = 1, Cohort = new UniformSelection { Size = 1 } }, evaluation: new EvaluationPlan());
        await run.RunAsync();
        Assert.Equal(evaluating, run.Fleet.Sent.OfType<EvaluateTask>().Count());
    }

    [Fact]
    public async Task Metrics_over_training_examples_have_names_of_their_own()
    {
        using var run = new EngineRun(rounds: new RoundPolicy { Count = 1 }, evaluation: new EvaluationPlan { Splits = [DataSplit.Train, DataSplit.Test] });
        run.Fleet.Update = (task, client) => task is EvaluateTask ? new ScriptedUpdate([], [10, 20, 30, 5, 50, 500]) : ScriptedUpdate.Of(task, client);
        await run.RunAsync();
        Assert.Equal(
            new Dictionary<string, double> { ["trainLoss"] = 2, ["trainMeanAbsoluteError"] = 3, ["loss"] = 10, ["meanAbsoluteError"] = 100 },
            run.State.Evaluations[0].Metrics);
    }

    [Fact]
    public async Task Clients_that_do_not_evaluate_are_left_out()
    {
        using var run = new EngineRun(rounds: new RoundPolicy { Count = 1 }, evaluation: new EvaluationPlan());
        run.Fleet.OnEvaluate = task => [new Answer(1, task.Position == 0 ? ClientOutcome.Lost : ClientOutcome.Reported)];
        await run.RunAsync();
        Assert.Equal(3, run.State.Evaluations[0].Contributors);
    }

    [Fact]
    public async Task A_second_reply_to_an_evaluation_changes_nothing()
    {
        using var run = new EngineRun(rounds: new RoundPolicy { Count = 2 }, evaluation: new EvaluationPlan());
        run.Fleet.OnEvaluate = task => task.Position == 0 ? [new Answer(), new Answer()] : [new Answer(1)];
        await run.RunAsync();
        Assert.Equal([4, 4], run.State.Evaluations.Select(receipt => receipt.Contributors));
    }

    [Theory]
    [InlineData(DataSplit.Test, double.NaN)]
    [InlineData(DataSplit.Test, double.PositiveInfinity)]
    [InlineData(DataSplit.Train, double.NaN)]
    public async Task A_loss_that_is_not_finite_makes_the_run_diverge(DataSplit split, double loss)
    {
        using var run = new EngineRun(rounds: new RoundPolicy { Count = 10 }, evaluation: new EvaluationPlan { Splits = [split] });
        run.Fleet.Update = (task, client) => task is EvaluateTask { Round: 2 } ? new ScriptedUpdate([], [10, loss, 1]) : ScriptedUpdate.Of(task, client);
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => run.RunAsync());
        Assert.Equal(("run.diverged", 2), (fault.Code, run.State.LastRound));
    }

    [Theory]
    [InlineData(null, 0.3, 3)]
    [InlineData(0.8, null, 4)]
    [InlineData(null, 0.05, 5)]
    public async Task A_stop_rule_ends_the_run_at_the_first_evaluation_that_meets_it(double? atLeast, double? atMost, int round)
    {
        double[] losses = [0.5, 0.4, 0.3, 0.9, 0.01];
        using var run = new EngineRun(
            rounds: new RoundPolicy { Count = 50 }, evaluation: new EvaluationPlan(),
            change: run => run with { Stop = new StopRule { Metric = "loss", AtLeast = atLeast, AtMost = atMost } });
        run.Fleet.Update = (task, client) => task is EvaluateTask ? new ScriptedUpdate([], [10, 10 * losses[task.Round - 1], 1]) : ScriptedUpdate.Of(task, client);
        Assert.Equal((RunEnded.TargetReached, round), ((await run.RunAsync()).Code, run.State.LastRound));
    }
}
