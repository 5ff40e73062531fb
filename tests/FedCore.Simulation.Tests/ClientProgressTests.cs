using System.Collections.Concurrent;
using FedCore.Rounds;
using FedCore.Simulation.Devices;

namespace FedCore.Simulation.Tests;

public class ClientProgressTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Each_client_is_heard_of_once_when_its_work_is_done(int threads)
    {
        var heard = new ConcurrentBag<(Type, int Round, int Position)>();
        var options = new SimulationOptions { Threads = threads, ClientProgress = new Listener(task => heard.Add((task.GetType(), task.Round, task.Position))) };
        using SimulationResult result = await SmallRun.RunAsync(SmallRun.Plan(new RoundPolicy { Count = 2 }), options, clients: 8);
        IEnumerable<(Type, int, int)> expected =
            from type in new[] { typeof(TrainTask), typeof(EvaluateTask) } from round in Enumerable.Range(1, 2) from position in Enumerable.Range(0, 8) select (type, round, position);
        Assert.Equal(expected.ToHashSet(), heard.ToHashSet());
        Assert.Equal(2 * 2 * 8, heard.Count);
    }

    [Fact]
    public async Task Clients_are_heard_of_while_their_round_is_still_open()
    {
        int trained = 0;
        var seen = new List<int>();
        var options = new SimulationOptions
        {
            Threads = 1,
            ClientProgress = new Listener(task => trained += task is TrainTask ? 1 : 0),
            Progress = new SmallRun.Direct(fact =>
            {
                if (fact is SetClosed or RoundEnded) seen.Add(trained);
            }),
        };
        using SimulationResult result = await SmallRun.RunAsync(SmallRun.Plan(new RoundPolicy { Count = 2 }), options, clients: 8);
        Assert.Equal([0, 8, 8, 16], seen);
    }

    [Fact]
    public async Task Clients_who_vanish_are_not_heard_of()
    {
        var heard = new ConcurrentBag<SiteTask>();
        var options = new SimulationOptions
        {
            Devices = [new DeviceProfile { Name = "d", Dropout = 0.5 }],
            ClientProgress = new Listener(task =>
            {
                if (task is TrainTask) heard.Add(task);
            }),
        };
        using SimulationResult result = await SmallRun.RunAsync(SmallRun.Plan(new RoundPolicy { Count = 4, MinimumReports = 1 }), options, clients: 8);
        Assert.Equal(result.State.Rounds.Sum(round => round.Contributors), heard.Count);
    }

    private sealed class Listener(Action<SiteTask> action) : IProgress<SiteTask>
    {
        public void Report(SiteTask value) => action(value);
    }
}
