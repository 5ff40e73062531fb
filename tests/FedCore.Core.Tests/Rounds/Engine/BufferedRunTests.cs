using FedCore.Rounds;
using FedCore.Rounds.Selection;
using FedCore.Rounds.Staleness;
using FedCore.Strategies;
using FedCore.Updates;

namespace FedCore.Core.Tests.Rounds.Engine;

/// <summary>Buffered asynchronous runs (Nguyen et al. 2022, algorithm 1): who is at work, what moves the model, what an old update counts.</summary>
public class BufferedRunTests
{
    [Fact]
    public async Task As_many_are_at_work_as_the_cohort_has_and_nobody_twice()
    {
        using EngineRun run = New(concurrency: 4, size: 2, clients: 10);
        run.Fleet.OnTrain = task => [new Answer(1 + task.Position % 3)];
        int most = 0;
        run.Fleet.OnSent = client =>
        {
            Assert.DoesNotContain(client, run.Fleet.AtWork.SkipLast(1));
            most = Math.Max(most, run.Fleet.AtWork.Count);
        };
        await run.RunAsync();
        Assert.Equal(4, most);
    }

    [Fact]
    public async Task The_model_moves_on_with_every_full_buffer_and_waits_for_nobody()
    {
        using EngineRun run = New(concurrency: 4, size: 3, clients: 4, rounds: 5);

        // Client 3 needs as long as the whole run.
        run.Fleet.OnTrainOf = client => [new Answer(client == 3 ? 1000 : 10)];
        await run.RunAsync();
        Assert.All(run.State.Rounds, round => Assert.Equal((true, 3, 10.0), (round.Committed, round.Contributors, (round.Closed - round.Opened).TotalSeconds)));
        Assert.DoesNotContain(run.State.Rounds.SelectMany(round => round.Clients), client => client.Client == "c3");
        Assert.Contains("c3", run.Fleet.Withdrawn.Select(run.Fleet.ClientOf));
    }

    // Three fast clients fill the buffer every 10 s; the slow one started from version 0 and arrives behind two of them.
    [Fact]
    public async Task A_client_starts_from_the_model_of_its_time_and_its_update_says_how_old_it_is()
    {
        using EngineRun run = New(concurrency: 4, size: 3, clients: 4, rounds: 4);
        run.Fleet.OnTrainOf = client => [new Answer(client == 3 ? 25 : 10)];
        var seen = new List<(string Client, int Round, float[] Model)>();
        run.Fleet.Update = (task, client) => new WhenOpened(() =>
        {
            seen.Add((client.Id.Name, task.Round, task.Model.Trainable.AsSpan().ToArray()));
            return ScriptedUpdate.Of(task, client);
        });
        var models = new List<float[]> { run.Model };
        run.OnEnded = () => models.Add(run.Model);
        await run.RunAsync();
        Assert.Contains(seen, s => s.Client == "c3");
        Assert.All(seen, s => Assert.Equal(models[s.Round - 1], s.Model));
        ClientReceipt slow = run.State.Rounds.SelectMany(round => round.Clients).First(client => client.Client == "c3");
        Assert.Equal(2, slow.Work!.Staleness);
        Assert.Equal([0, 0, 0], run.State.Rounds[0].Clients.Select(client => client.Work!.Staleness!.Value));
    }

    // FedAvg with weights of 1: the model moves by the mean of s(staleness) x change, divided by K and not by the sum of s.
    [Fact]
    public async Task A_stale_change_counts_less_and_the_sum_is_divided_by_the_number_of_updates()
    {
        using EngineRun run = New(concurrency: 3, size: 2, clients: 3, rounds: 2, staleness: new PolynomialStaleness { Exponent = 1 }, strategy: new FedAvg());
        run.Fleet.OnTrainOf = client => [new Answer(client == 2 ? 15 : 10)];
        run.Fleet.Update = (task, client) => new ScriptedUpdate([.. Enumerable.Repeat(client.Index == 2 ? 6f : 1f, task.Model.Trainable.AsSpan().Length)], [1, 1, 0, 0]);
        float before = run.Model[0];
        await run.RunAsync();

        // Round 1: two fresh changes of 1, at 10 s. Round 2: client 2's change of 6 and, at 20 s, one of 1 by client 0, which was asked again before the
        // buffer was full. Both started from version 0 and count half.
        Assert.Equal(before + 1 + (3 + 0.5f) / 2, run.Model[0], 1e-5f);
    }

    [Fact]
    public async Task Too_stale_an_update_is_refused_and_its_client_asked_again_from_the_present_model()
    {
        using EngineRun run = New(concurrency: 4, size: 3, clients: 4, rounds: 4, maxStaleness: 1);
        run.Fleet.OnTrainOf = client => [new Answer(client == 3 ? 25 : 10)];
        await run.RunAsync();
        ClientReceipt slow = run.State.Rounds.SelectMany(round => round.Clients).First(client => client.Client == "c3");
        Assert.Equal((ClientOutcome.Refused, "update.stale"), (slow.Outcome, slow.Reason));
    }

    [Fact]
    public async Task Clients_that_never_can_end_the_run_and_not_an_endless_loop()
    {
        using EngineRun run = New(concurrency: 2, size: 2, clients: 5, rounds: 20);
        run.Fleet.OnTrain = _ => [new Answer(0, ClientOutcome.Declined, "busy")];
        await run.RunInVainAsync();
        Assert.InRange(run.Fleet.Sent.Count, 20, 5000);
    }

    // An evaluation takes time; who finishes training meanwhile counts in the next round.
    [Fact]
    public async Task Replies_that_come_during_an_evaluation_are_not_lost()
    {
        using EngineRun run = New(concurrency: 4, size: 2, clients: 4, rounds: 6, evaluation: new EvaluationPlan { Every = 1 });
        run.Fleet.OnTrain = task => [new Answer(3 + task.Position % 4)];
        run.Fleet.OnEvaluate = _ => [new Answer(5)];
        await run.RunAsync();
        Assert.Equal(6, run.State.Rounds.Count(round => round.Contributors == 2));
    }

    // What was at work is lost with the process. The clients are asked anew, from the checkpoint's model.
    [Fact]
    public async Task A_buffered_run_that_was_interrupted_goes_on_behind_its_checkpoint()
    {
        var journal = new InMemoryJournal();
        var checkpoints = new MemoryCheckpoints(2);
        using var stop = new CancellationTokenSource();
        using EngineRun first = New(concurrency: 4, size: 2, clients: 9, rounds: 8, journal: journal, checkpoints: checkpoints, onFact: fact =>
        {
            if (fact is RoundEnded { Receipt.Round: 5 }) stop.Cancel();
        });
        first.Fleet.OnTrain = task => [new Answer(3 + task.Position % 4)];
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.RunAsync(stop.Token));
        using EngineRun second = New(concurrency: 4, size: 2, clients: 9, rounds: 8, journal: journal, checkpoints: checkpoints);
        second.Fleet.OnTrain = task => [new Answer(3 + task.Position % 4)];
        await second.RunAsync();
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], second.State.Rounds.Select(round => round.Round));
        Assert.Equal(0, journal.Facts.OfType<RoundOpened>().Last(round => round.Round == 5).AtWork);
    }

    private static EngineRun New(
        int concurrency, int size, long clients, int rounds = 6, int? maxStaleness = null, IStalenessWeighting? staleness = null, IStrategy? strategy = null,
        EvaluationPlan? evaluation = null, InMemoryJournal? journal = null, MemoryCheckpoints? checkpoints = null, Action<RunEvent>? onFact = null) =>
        new(
            clients,
            change: definition => strategy is null ? definition : definition with { Strategy = strategy },
            rounds: new RoundPolicy
            {
                Count = rounds,
                Cohort = new UniformSelection { Size = concurrency },
                Buffer = new BufferPolicy { Size = size, MaxStaleness = maxStaleness, Staleness = staleness ?? new PolynomialStaleness() },
            },
            evaluation: evaluation)
        {
            Journal = journal ?? new InMemoryJournal(),
            Checkpoints = checkpoints,
            OnFact = onFact,
        };

    private sealed class WhenOpened(Func<IUpdateSource> create) : IUpdateSource
    {
        public ValueTask<IUpdateReader> OpenAsync(CancellationToken ct) => create().OpenAsync(ct);
    }
}
