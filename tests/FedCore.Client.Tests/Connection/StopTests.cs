using FedCore.Client.Tests.Fakes;
using FedCore.Protocol.V1;
using FedCore.Tests;
using Grpc.Core;

namespace FedCore.Client.Tests.Connection;

/// <summary>How a client ends.</summary>
public sealed class StopTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_running_task_is_finished_and_sent_where_its_time_suffices()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator);
        TaskCompletionSource begun = new(), go = new();
        var trainer = new GatedTrainer(async (_, ct) =>
        {
            begun.SetResult();
            await go.Task.WaitAsync(ct);
        });
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path, trainer) with { StopSeconds = 60 });
        TaskOffer task = run.Train(1);
        await begun.Task;
        Task stopped = client.StopAsync();
        go.SetResult();
        await stopped;
        Assert.True(aggregator.Uploads[task.TaskId].IsAccepted);
        Assert.Equal((1, 0), (aggregator.Count("NextTask"), client.Outbox.Count));
        Assert.True(client.Log.Has(105) && client.Log.Has(106));
    }

    [Fact]
    public async Task A_running_task_is_parked_where_its_time_does_not_suffice_and_done_after_the_next_start()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator);
        var begun = new TaskCompletionSource();
        var trainer = new GatedTrainer((_, ct) => begun.TrySetResult() ? Task.Delay(Timeout.Infinite, ct) : Task.CompletedTask);
        TaskOffer task = run.Train(1);
        await using (RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path, trainer) with { StopSeconds = 0 }))
        {
            await begun.Task;
            await client.StopAsync();
            Assert.True(client.Log.Has(205));
        }

        Assert.Empty(aggregator.Messages<DeclineRequest>());
        await using RunningClient again = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path, trainer));
        await aggregator.AcceptedAsync(task.TaskId);
        Assert.Equal(2, trainer.Trained);
    }

    [Fact]
    public async Task What_is_finished_is_sent_before_the_end_and_waits_where_that_fails()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator);
        bool isShut = true;
        aggregator.OnCall = (method, _) => isShut && method == "SendPart" ? throw new RpcException(new Status(StatusCode.Unavailable, "not now")) : Task.CompletedTask;
        TaskOffer task = run.Train(1);
        await using (RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path)))
        {
            await aggregator.WaitForCallsAsync("SendPart", 3);
            await client.StopAsync();
            Assert.Equal(1, client.Outbox.Count);
        }

        await using RunningClient again = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        await aggregator.WaitForCallsAsync("SendPart", 5);
        isShut = false;
        await again.StopAsync();
        Assert.True(aggregator.Uploads[task.TaskId].IsAccepted);
        Assert.Equal(0, again.Outbox.Count);
    }
}
