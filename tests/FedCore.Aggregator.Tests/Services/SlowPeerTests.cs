using FedCore.Protocol.Connections;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using FedCore.Tests;
using Grpc.Core;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>Peers that begin a message and stop.</summary>
public class SlowPeerTests
{
    private static readonly byte[] Half = [0, 0, 0, 0, 100, 1, 2, 3];

    [Fact]
    public async Task Who_stops_within_a_message_is_not_waited_for()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync(settings => settings with { LivenessSeconds = 1 });
        TestSite north = await aggregator.AddSiteAsync("north");
        using var raw = new RawCalls(aggregator.Address);
        using var body = new UnendingContent(Half);
        Exception ended = await Assert.ThrowsAnyAsync<Exception>(() => SendAsync(raw, "/fedcore.v1.Edge/Join", body, north, TestContext.Current.CancellationToken));

        // The connection is closed under the body that is being sent, long before the test's own patience is over.
        Assert.True(ended is HttpRequestException or TaskCanceledException { InnerException: not TimeoutException }, ended.ToString());
        Assert.Equal("north", (await north.JoinAsync()).Site);
        Assert.Empty(aggregator.Log.Errors);
    }

    [Fact]
    public async Task Who_falls_silent_within_an_upload_goes_on_with_another_call()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync(settings => settings with { LivenessSeconds = 3 });
        TestSite north = await aggregator.AddSiteAsync("north");
        var run = new SmallRun(inputs: SmallRun.LargeInputs);
        await aggregator.CreateRunAsync("run", run);
        byte[] update = run.Update();
        UploadHead head = SmallRun.HeadOf((await north.TaskAsync()).TaskId, update);
        using AsyncClientStreamingCall<Chunk, UploadState> call = north.Uploads.Send(north.Options());
        await call.RequestStream.WriteAsync(new Chunk { Head = head, Data = new(update, 0, 1000) }, TestContext.Current.CancellationToken);

        // The task is kept alive meanwhile.
        Task<Fault> silent = Refusal.ThrowsAsync(StatusCode.DeadlineExceeded, "upload.silent", () => call.ResponseAsync);
        await TestAggregator.UntilAsync(async () =>
        {
            await north.Edge.ReportProgressAsync(new ProgressRequest { TaskId = head.TaskId }, north.Options());
            return silent.IsCompleted;
        });
        await silent;
        Assert.Equal(new UploadState { Offset = 1000 }, await north.FindAsync(head));
        Assert.True((await north.StreamAsync(head, update, 1000)).IsAccepted);
    }

    [Fact]
    public async Task Who_reads_nothing_of_a_download_is_not_waited_for()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync(settings => settings with { LivenessSeconds = 1 });
        TestSite north = await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("run", new SmallRun(inputs: SmallRun.LargeInputs));
        TaskOffer task = await north.TaskAsync();
        using AsyncServerStreamingCall<Chunk> call = aggregator.Blobs.Download(new DownloadRequest { Digest = task.Model.Digest }, north.Options());
        await call.ResponseHeadersAsync;
        await Task.Delay(TimeSpan.FromSeconds(3), TestContext.Current.CancellationToken);

        // What was on its way still comes.
        await Assert.ThrowsAsync<RpcException>(async () =>
        {
            while (await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken))
            {
            }
        });
        Assert.Empty(aggregator.Log.Errors);
    }

    [Fact]
    public async Task A_coordinator_that_falls_silent_within_a_blob_is_not_waited_for_and_nothing_of_it_is_kept()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync(settings => settings with { LivenessSeconds = 1 });
        string[] before = aggregator.StoredFiles;
        using AsyncClientStreamingCall<Chunk, Blob> call = aggregator.Blobs.Put(aggregator.AsCoordinator());
        await call.RequestStream.WriteAsync(new Chunk { Data = new(new byte[1000]) }, TestContext.Current.CancellationToken);
        await Refusal.ThrowsAsync(StatusCode.DeadlineExceeded, "upload.silent", () => call.ResponseAsync);
        Assert.Equal(before, aggregator.StoredFiles);
    }

    [Fact]
    public async Task Who_is_not_known_is_answered_before_the_message_has_come()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        using var raw = new RawCalls(aggregator.Address);
        foreach (string path in RawCalls.Paths)
        {
            using var body = new UnendingContent(Half);
            RawAnswer answer = await raw.SendAsync(path, body, "Bearer nobody", null, ProtocolVersion.Current, null, TestContext.Current.CancellationToken);
            Assert.Equal((path, "Unauthenticated auth.token"), (path, answer.Reason));
        }
    }

    [Fact]
    public async Task A_thousand_calls_that_stop_leave_the_aggregator_answering()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north"), south = await aggregator.AddSiteAsync("south");
        string[] paths = ["/fedcore.v1.Edge/Join", "/fedcore.v1.Edge/NextTask", "/fedcore.v1.Uploads/SendPart", "/fedcore.v1.Uploads/Send", "/fedcore.v1.Blobs/Download"];
        int threads = ThreadPool.ThreadCount;
        using var raw = new RawCalls(aggregator.Address);
        using var over = new CancellationTokenSource();
        UnendingContent[] bodies = [.. Enumerable.Range(0, 1000).Select(_ => new UnendingContent(Half))];
        Task[] calls = [.. bodies.Select((body, i) => SendAsync(raw, paths[i % paths.Length], body, north, over.Token))];
        await Task.WhenAll(bodies.Select(body => body.Begun)).WaitAsync(TestAggregator.Patience, TestContext.Current.CancellationToken);

        var small = new SmallRun();
        await aggregator.CreateRunAsync("run", small, south);
        await south.AnswerAsync(await south.TaskAsync(), small.Update());
        Assert.Equal(RunPhase.Completed, (await aggregator.EndOfAsync("run")).Phase);
        Assert.DoesNotContain(calls, call => call.IsCompleted);

        // Half-open calls hold no threads: other tests that run at once may want a few.
        Assert.InRange(ThreadPool.ThreadCount - threads, int.MinValue, 100);
        await over.CancelAsync();
        foreach (Task call in calls) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        Assert.Equal("north", (await north.JoinAsync()).Site);
        Assert.Empty(aggregator.Log.Errors);
    }

    private static Task<RawAnswer> SendAsync(RawCalls raw, string path, HttpContent body, TestSite site, CancellationToken ct) =>
        raw.SendAsync(path, body, "Bearer " + site.Token, site.OnWire, ProtocolVersion.Current, null, ct);
}
