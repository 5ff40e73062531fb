using System.Collections.Concurrent;
using FedCore.Client.Settings;
using FedCore.Client.Tests.Fakes;
using FedCore.Protocol.V1;
using FedCore.Tests;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace FedCore.Client.Tests.Outbox;

/// <summary>How finished updates reach the aggregator, whatever the network does.</summary>
public sealed class UploadTests : IDisposable
{
    private const int Hidden = 200_000;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.9)]
    public async Task A_stream_that_breaks_goes_on_where_the_aggregator_has_it_without_training_again(double share)
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, hidden: Hidden);
        bool broken = false;
        long at = 0;
        aggregator.OnChunk = (upload, context) =>
        {
            if (broken || upload.Received < share * upload.Head.Length) return Task.CompletedTask;
            (broken, at) = (true, upload.Received);
            context.GetHttpContext().Abort();
            return Task.CompletedTask;
        };
        ConcurrentDictionary<string, string> versions = VersionsOf(aggregator);
        var trainer = new GatedTrainer();
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path, trainer));
        TaskOffer task = run.Train(1);
        byte[] update = await aggregator.AcceptedAsync(task.TaskId);
        run.Plan.WireCodec.Check(update, 1);
        Assert.InRange(at, 1, update.Length - 1);
        Assert.Equal((1, 1, 2), (trainer.Trained, aggregator.Count("FindUpload"), aggregator.Count("Send")));
        Assert.Contains($"round 1: sending the answer broke off", Assert.Single(client.Log.All, line => line.Id == 308).Text, StringComparison.Ordinal);

        // HTTP/1.1 has brought a part of it, so that it is the line that failed.
        Assert.Equal("HTTP/1.1", versions["Send"]);
    }

    [Fact]
    public async Task Where_the_aggregator_wants_another_part_the_client_goes_on_with_that_one()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, hidden: Hidden);
        int ended = 0;
        aggregator.HasEnough = upload => upload.Received > upload.Head.Length / 2 && ended++ == 0;
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        TaskOffer task = run.Train(1);
        run.Plan.WireCodec.Check(await aggregator.AcceptedAsync(task.TaskId), 1);
        Assert.Equal((0, 2), (aggregator.Count("FindUpload"), aggregator.Count("Send")));
        Assert.DoesNotContain(client.Log.All, line => line.Id == 103);
    }

    [Fact]
    public async Task Without_streams_an_update_goes_in_pieces()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        (aggregator.Terms.ChunkBytes, aggregator.Terms.InlineBytes) = (100_000, 1000);
        using var run = new SmallRun(aggregator, hidden: Hidden);
        int broken = 0;
        aggregator.OnChunk = (upload, context) =>
        {
            if (upload.Received > 500_000 && broken++ == 0) context.GetHttpContext().Abort();
            return Task.CompletedTask;
        };
        ClientSettings settings = RunningClient.Settings(aggregator, _folder.Path) with { Aggregator = aggregator.Http1Address, Web = true };
        await using RunningClient client = await RunningClient.StartAsync(settings);
        TaskOffer task = run.Train(1);
        byte[] update = await aggregator.AcceptedAsync(task.TaskId);
        run.Plan.WireCodec.Check(update, 1);
        Assert.Equal(((update.Length + 99_999) / 100_000, 1, 0), (aggregator.Count("SendPart"), aggregator.Count("FindUpload"), aggregator.Count("Send")));
        Assert.False(client.Log.Has(109));
    }

    [Fact]
    public async Task Models_and_updates_go_over_http1_beside_the_calls()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, hidden: Hidden);
        ConcurrentDictionary<string, string> versions = VersionsOf(aggregator);
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        run.Plan.WireCodec.Check(await aggregator.AcceptedAsync(run.Train(1).TaskId), 1);
        Assert.Equal(("HTTP/2", "HTTP/1.1", "HTTP/1.1"), (versions["NextTask"], versions["Download"], versions["Send"]));
    }

    [Fact]
    public async Task A_stream_announces_its_length_also_when_it_goes_on_in_the_middle()
    {
        const int ChunkBytes = 100_000;
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        aggregator.Terms.ChunkBytes = ChunkBytes;
        using var run = new SmallRun(aggregator, hidden: Hidden);
        List<(long From, long? Announced)> streams = [];
        aggregator.OnChunk = (upload, context) =>
        {
            HttpContext http = context.GetHttpContext();
            if (http.Items.TryAdd("is known", true)) streams.Add((upload.Received - ChunkBytes, http.Request.ContentLength));
            if (streams.Count == 1 && upload.Received > 500_000) http.Abort();
            return Task.CompletedTask;
        };
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        byte[] update = await aggregator.AcceptedAsync(run.Train(1).TaskId);
        Assert.Equal(2, streams.Count);
        Assert.All(streams, stream => Assert.InRange(stream.Announced!.Value, update.Length - stream.From + 1, (update.Length - stream.From) * 1.002));
    }

    // Over HTTP/1.1 an answer that comes before the end of what is sent is lost.
    [Fact]
    public async Task Of_an_update_that_breaks_off_since_nobody_wants_it_the_aggregator_is_asked_why()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, hidden: Hidden);
        ConcurrentDictionary<string, string> versions = VersionsOf(aggregator);
        bool isUnwanted = true;
        Func<string, ServerCallContext, Task> count = aggregator.OnCall;
        aggregator.OnCall = (method, context) =>
            method == "FindUpload" && isUnwanted ? throw FakeAggregator.Fault(StatusCode.FailedPrecondition, "task.unwanted", "Nobody waits for it.") : count(method, context);
        aggregator.OnChunk = (_, context) =>
        {
            if (isUnwanted) context.GetHttpContext().Abort();
            return Task.CompletedTask;
        };
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        run.Train(1);
        await aggregator.WaitAsync(() => client.Log.Has(301));
        Assert.Equal((1, 1), (aggregator.Count("Send"), aggregator.Count("FindUpload")));
        isUnwanted = false;
        run.Plan.WireCodec.Check(await aggregator.AcceptedAsync(run.Train(2).TaskId), 2);
        Assert.Equal("HTTP/1.1", versions["Send"]);
        Assert.False(client.Log.Has(103));
    }

    // As a proxy does that looks at requests for too long.
    [Fact]
    public async Task An_update_that_stops_on_its_way_over_http1_goes_on_over_http2()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, hidden: Hidden);
        ConcurrentDictionary<string, string> versions = VersionsOf(aggregator);
        var isStuck = new TaskCompletionSource();
        aggregator.OnChunk = async (upload, context) =>
        {
            if (versions["Send"] == "HTTP/2" || upload.Received < upload.Head.Length / 2) return;
            isStuck.TrySetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, context.CancellationToken);
        };
        var clock = new HandClock();
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path), clock: clock);
        TaskOffer task = run.Train(1);
        await isStuck.Task.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        Task<byte[]> accepted = aggregator.AcceptedAsync(task.TaskId);
        await clock.MoveUntilAsync(accepted);
        run.Plan.WireCodec.Check(await accepted, 1);
        Assert.Equal(("HTTP/2", 2), (versions["Send"], aggregator.Count("Send")));
        Assert.Contains("goes on at byte", client.Log.Text(308), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_model_that_nobody_lets_through_is_given_up(bool isWeb)
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, hidden: Hidden);
        aggregator.OnCall = (method, _) => method == "Download" ? throw new RpcException(new Status(StatusCode.PermissionDenied, "A proxy says no.")) : Task.CompletedTask;
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path) with { Web = isWeb });
        run.Train(1);
        await aggregator.WaitAsync(() => client.Log.All.Any(line => line.Text.Contains("Asking for work failed: A proxy says no", StringComparison.Ordinal)));
        Assert.Equal(!isWeb, client.Log.Has(109));
    }

    // An update waits by itself.
    [Fact]
    public async Task An_update_that_does_not_get_through_holds_up_no_other()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using SmallRun large = new(aggregator, hidden: Hidden), small = new(aggregator, name: "small");
        aggregator.OnCall = (method, _) => method == "Send" ? throw new RpcException(new Status(StatusCode.Unknown, "HTTP status 413")) : Task.CompletedTask;
        var clock = new HandClock();
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path), clock: clock);
        large.Train(1);
        await clock.MoveUntilAsync(aggregator.WaitAsync(() => client.Log.Has(103)));

        // However often the large one, the older of the two, is tried again.
        await clock.MoveUntilAsync(aggregator.AcceptedAsync(small.Train(1).TaskId));
        await aggregator.WaitAsync(() => client.Outbox.Count == 1);
    }

    [Fact]
    public async Task Where_http1_does_not_come_through_models_and_updates_go_over_http2()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, hidden: Hidden);
        ConcurrentDictionary<string, string> versions = VersionsOf(aggregator);
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path) with { Aggregator = aggregator.Http2Address });
        run.Plan.WireCodec.Check(await aggregator.AcceptedAsync(run.Train(1).TaskId), 1);
        run.Plan.WireCodec.Check(await aggregator.AcceptedAsync(run.Train(2).TaskId), 1);
        Assert.Equal(("HTTP/2", "HTTP/2"), (versions["Download"], versions["Send"]));

        // It was tried once in each direction, not with each of them.
        Assert.Equal((2, 2), (client.Log.Count(103), client.Log.Count(109)));
    }

    [Fact]
    public async Task An_acknowledgement_that_is_lost_is_asked_for_again()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, hidden: Hidden);
        bool broken = false;
        aggregator.OnAccepted = (_, context) =>
        {
            if (!broken) context.GetHttpContext().Abort();
            broken = true;
            return Task.CompletedTask;
        };
        var trainer = new GatedTrainer();
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path, trainer));
        await aggregator.AcceptedAsync(run.Train(1).TaskId);
        await aggregator.WaitAsync(() => client.Outbox.Count == 0);
        Assert.Equal((1, 1), (trainer.Trained, aggregator.Count("Send")));
    }

    [Fact]
    public async Task An_update_that_waits_is_at_hand_and_says_how_long_it_has_waited()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator);

        // A call that the first client has given up may still arrive.
        aggregator.OnCall = (method, context) => method == "SendPart" && context.RequestHeaders.GetValue("fedcore-client")!.Contains(".1.", StringComparison.Ordinal)
            ? throw new RpcException(new Status(StatusCode.Unavailable, "not now")) : Task.CompletedTask;
        var clock = new HandClock();
        var trainer = new GatedTrainer();
        TaskOffer task = run.Train(1);
        await using (RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path, trainer), clock: clock))
        {
            await aggregator.WaitAsync(() => aggregator.Messages<NextTaskRequest>().Any(request => request.TasksAtHand.Contains(task.TaskId)));
            Assert.Equal([task.TaskId], client.Outbox.AtHand);
        }

        // Two hours later, after a restart.
        clock.Move(TimeSpan.FromHours(2));
        await using RunningClient again = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path, trainer), clock: clock);
        await aggregator.AcceptedAsync(task.TaskId);
        Assert.Equal(1, trainer.Trained);
        Assert.True(again.Log.Has(307));
        Assert.InRange(aggregator.Uploads[task.TaskId].Head.AgeSeconds, 7200, 7210);
    }

    [Fact]
    public async Task A_clock_that_was_set_back_makes_no_negative_age()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator);
        aggregator.OnCall = (method, context) => method == "SendPart" && context.RequestHeaders.GetValue("fedcore-client")!.Contains(".1.", StringComparison.Ordinal)
            ? throw new RpcException(new Status(StatusCode.Unavailable, "not now")) : Task.CompletedTask;
        var clock = new HandClock();
        TaskOffer task = run.Train(1);
        clock.Move(TimeSpan.FromDays(1));
        await using (RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path), clock: clock)) await aggregator.WaitForCallsAsync("SendPart", 1);
        await using RunningClient again = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path), clock: new HandClock());
        await aggregator.AcceptedAsync(task.TaskId);
        Assert.Equal(0, aggregator.Uploads[task.TaskId].Head.AgeSeconds);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_update_that_nobody_waits_for_is_dropped(bool isSaidByNextTask)
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator);
        bool isShut = true;
        aggregator.OnCall = (method, _) => isShut && method == "SendPart" ? throw new RpcException(new Status(StatusCode.Unavailable, "not now")) : Task.CompletedTask;
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        TaskOffer task = run.Train(1);
        await aggregator.WaitForCallsAsync("SendPart", 1);
        if (!isSaidByNextTask)
        {
            // The word that an upload's own call brings.
            aggregator.OnCall = (method, _) => method is "NextTask" or "ReportProgress" ? throw new RpcException(new Status(StatusCode.Unavailable, "not now")) : Task.CompletedTask;
        }

        aggregator.Withdraw(task.TaskId);
        isShut = isSaidByNextTask;
        await aggregator.WaitAsync(() => client.Log.Has(301));
        Assert.True(client.Log.Has(301));
        Assert.Empty(client.Outbox.AtHand);
    }

    [Fact]
    public async Task An_update_whose_run_is_held_up_keeps_no_other_from_being_sent()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using SmallRun held = new(aggregator, name: "held"), free = new(aggregator, name: "free");
        TaskOffer first = held.Train(1);
        bool isHeld = true;
        aggregator.OnUpload = head => isHeld && head.TaskId == first.TaskId
            ? throw FakeAggregator.Fault(StatusCode.Unavailable, "run.held-up", "The run is held up.") : Task.CompletedTask;
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        await aggregator.WaitForCallsAsync("SendPart", 1);

        // The update of the other run is behind it in the outbox, and comes while it waits.
        await aggregator.AcceptedAsync(free.Train(1).TaskId);
        await aggregator.AcceptedAsync(free.Train(2).TaskId);
        await aggregator.WaitAsync(() => client.Outbox.AtHand.SequenceEqual([first.TaskId]));
        isHeld = false;
        await aggregator.AcceptedAsync(first.TaskId);
    }

    [Fact]
    public async Task A_client_that_stops_sends_what_is_finished_behind_an_update_whose_run_is_held_up()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using SmallRun held = new(aggregator, name: "held"), free = new(aggregator, name: "free");
        TaskOffer first = held.Train(1), second = free.Train(1);
        bool isShut = true;
        aggregator.OnUpload = head => head.TaskId == first.TaskId
            ? throw FakeAggregator.Fault(StatusCode.Unavailable, "run.held-up", "The run is held up.")
            : isShut ? throw FakeAggregator.Fault(StatusCode.Unavailable, "run.held-up", "The run is held up.") : Task.CompletedTask;
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path), clock: new HandClock());
        await aggregator.WaitAsync(() => aggregator.Messages<UploadHead>().Select(head => head.TaskId).Distinct().Count() == 2);
        isShut = false;
        await client.StopAsync();
        Assert.True(aggregator.Uploads[second.TaskId].IsAccepted);
        Assert.Equal([first.TaskId], client.Outbox.AtHand);
    }

    [Fact]
    public async Task An_update_that_is_refused_again_and_again_is_dropped_and_not_asked_for_here()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator);
        aggregator.OnCall = (method, _) => method == "SendPart" ? throw FakeAggregator.Fault(StatusCode.InvalidArgument, "update.encoding", "The update is none.") : Task.CompletedTask;
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        run.Train(1);
        await aggregator.WaitForCallsAsync("SendPart", 3);
        await aggregator.WaitAsync(() => client.Log.Has(302));
        Assert.Contains("The update is none", client.Log.Text(302), StringComparison.Ordinal);
    }

    private static ConcurrentDictionary<string, string> VersionsOf(FakeAggregator aggregator)
    {
        var versions = new ConcurrentDictionary<string, string>();
        aggregator.OnCall = (method, context) =>
        {
            // Of gRPC-Web the call itself is told that it is HTTP/2.
            versions[method] = context.GetHttpContext().Features.Get<IHttp2StreamIdFeature>() is null ? "HTTP/1.1" : "HTTP/2";
            return Task.CompletedTask;
        };
        return versions;
    }
}
