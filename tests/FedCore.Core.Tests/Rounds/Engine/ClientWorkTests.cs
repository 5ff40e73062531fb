using FedCore.Rounds;
using FedCore.Rounds.Selection;
using FedCore.Strategies;

namespace FedCore.Core.Tests.Rounds.Engine;

/// <summary>What clients are told to do, what is known of what they did, and what becomes of it.</summary>
public class ClientWorkTests
{
    private static readonly RoundPolicy Planned = new() { Count = 1, DeadlineSeconds = 100, WorkPlanning = new WorkPlanning { Margin = 0.2 }, MinimumReports = 1 };

    // 80 of the 100 seconds are for work; a batch of 32 takes 32 / speed seconds. The fourth client cannot do one step and is not asked.
    [Fact]
    public async Task Each_client_is_told_the_steps_that_it_can_finish_by_the_deadline()
    {
        using EngineRun run = New(Planned, client => client with { ExamplesPerSecond = new double?[] { null, 100, 4, 0.3 }[client.Index] });
        await run.RunAsync();
        Assert.Equal([null, 250, 10], run.Fleet.Sent.Cast<TrainTask>().Select(task => task.Work.MaxSteps));
        Assert.Equal([null, 250, 10, 0], run.State.Rounds[0].Clients.Select(client => client.Work?.Planned));
        Assert.Equal(new ClientReceipt("c3", ClientOutcome.Declined, "client.too-slow", new ClientWork { Planned = 0 }), run.State.Rounds[0].Clients[3]);
    }

    // 8 weights and biases are 32 bytes down; up they are 32 and four doubles. At 1 byte a second 20 of 80 and 64 seconds go.
    [Fact]
    public async Task The_time_that_the_link_takes_is_left_out_of_the_work()
    {
        using EngineRun run = New(Planned, client => client with { ExamplesPerSecond = 32, DownBytesPerSecond = client.Index == 0 ? 1 : null, UpBytesPerSecond = client.Index == 1 ? 1 : null });
        await run.RunAsync();
        Assert.Equal([80 - 32, 80 - 64, 80, 80], run.Fleet.Sent.Cast<TrainTask>().Select(task => task.Work.MaxSteps!.Value));
    }

    [Fact]
    public async Task What_a_client_took_is_in_the_receipt_only_where_the_run_discloses_it()
    {
        foreach (Disclosure[] disclosures in (Disclosure[][])[[], [Disclosure.Timing], [Disclosure.ClientMetrics], [Disclosure.Timing, Disclosure.ClientMetrics]])
        {
            using var run = new EngineRun(change: definition => definition with { Disclosures = disclosures }, rounds: new RoundPolicy { Count = 1 });
            run.Fleet.OnTrain = task => [new Answer(task.Position + 0.5)];
            run.Fleet.Steps = 7;
            await run.RunAsync();
            ClientWork? third = run.State.Rounds[0].Clients[2].Work;
            bool timing = disclosures.Contains(Disclosure.Timing), metrics = disclosures.Contains(Disclosure.ClientMetrics);
            Assert.Equal((timing ? 7 : null, timing ? 2.5 : null), (third?.Done, third?.Seconds));

            // The scripted update of client 2 has 3 examples and half as much loss.
            Assert.Equal((metrics ? 3.0 : null, metrics ? 0.5 : null), (third?.Examples, third?.Loss));
        }
    }

    [Fact]
    public async Task An_update_is_settled_when_its_round_has_ended_and_counts_if_it_is_in_the_model()
    {
        using var run = new EngineRun(rounds: new RoundPolicy { Count = 2, DeadlineSeconds = 10, MinimumReports = 2 });
        run.Fleet.OnTrain = task => [new Answer(task.Position == 3 ? 20 : 1, task is { Round: 2, Position: > 0 } ? ClientOutcome.Lost : ClientOutcome.Reported)];
        run.Fleet.Update = (task, client) => client.Index == 1 ? ScriptedUpdate.Refused("test.code") : ScriptedUpdate.Of(task, client);
        int settledBefore = -1;
        run.OnEnded = () => settledBefore = settledBefore < 0 ? run.Fleet.Settled.Count : settledBefore;
        await run.RunAsync();
        Assert.Equal(0, settledBefore);

        // Round 1: three reported, one of them is refused. Round 2 is abandoned with one report.
        Assert.Equal([(1, 0, true), (1, 1, false), (1, 2, true), (2, 0, false)], run.Fleet.Settled.Select(s => (s.Task.Round, s.Task.Position, s.Counts)));
    }

    [Fact]
    public async Task What_a_strategy_sends_along_goes_with_every_task_and_is_counted()
    {
        using var run = new EngineRun(change: definition => definition with { Strategy = new Scaffold() }, rounds: new RoundPolicy { Count = 1 });
        run.Fleet.Update = (task, client) => new ScriptedUpdate(new float[2 * task.Model.Trainable.AsSpan().Length], [1, 1, 0, 0]);
        await run.RunAsync();
        Assert.All(run.Fleet.Sent.Cast<TrainTask>(), task => Assert.Same(run.Server.Vector("control"), task.Broadcasts["control"]));
        Assert.Equal(4 * 2 * 8 * sizeof(float), run.State.Rounds[0].BytesDown);
    }

    // What an interruption took back is forgotten by the history too.
    [Fact]
    public async Task The_history_of_who_took_part_is_that_of_the_rounds_that_count()
    {
        var journal = new InMemoryJournal();
        var checkpoints = new MemoryCheckpoints(2);
        RoundPolicy rounds = new() { Count = 6, Cohort = new RoundRobinSelection { Size = 3 } };
        using var whole = new EngineRun(clients: 7, rounds: rounds);
        await whole.RunAsync();
        using var stop = new CancellationTokenSource();
        using var first = new EngineRun(clients: 7, rounds: rounds)
        {
            Journal = journal,
            Checkpoints = checkpoints,
            OnFact = fact =>
            {
                if (fact is RoundEnded { Receipt.Round: 3 }) stop.Cancel();
            },
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.RunAsync(stop.Token));
        using var second = new EngineRun(clients: 7, rounds: rounds) { Journal = journal, Checkpoints = checkpoints };
        await second.RunAsync();
        Assert.Equal(whole.Receipts, second.Receipts);
        Assert.All(Enumerable.Range(0, 7), client => Assert.Equal(whole.State.History.Of(client), second.State.History.Of(client)));
    }

    private static EngineRun New(RoundPolicy rounds, Func<ClientDescriptor, ClientDescriptor> describe)
    {
        var run = new EngineRun(rounds: rounds, change: definition => definition with { Training = definition.Training with { Steps = 1000 } });
        run.Fleet.Describe = describe;
        return run;
    }
}
