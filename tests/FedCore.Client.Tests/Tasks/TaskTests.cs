using FedCore.Client.Resources;
using FedCore.Client.Settings;
using FedCore.Client.Tests.Fakes;
using FedCore.Models;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.Rounds.Privacy;
using FedCore.Tests;
using Grpc.Core;

namespace FedCore.Client.Tests.Tasks;

/// <summary>What a client does with tasks, against an aggregator on real sockets.</summary>
public sealed class TaskTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_task_is_trained_sent_and_not_trained_again()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator);
        var trainer = new GatedTrainer();
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path, trainer));
        TaskOffer first = run.Train(1), second = run.Train(2);
        byte[] update = await aggregator.AcceptedAsync(first.TaskId);
        await aggregator.AcceptedAsync(second.TaskId);
        run.Plan.WireCodec.Check(update, 1);
        Assert.Equal((2, 1), (trainer.Trained, trainer.Workspaces));
        Assert.Equal("fedcore/0.1.0", aggregator.Messages<JoinRequest>().Single().Software);

        // A short update needs one call, and where the run does not disclose timing no steps go with it.
        Assert.Equal((0, 2), (aggregator.Count("FindUpload"), aggregator.Count("SendPart")));
        Assert.False(aggregator.Uploads[first.TaskId].Head.HasSteps);
        Assert.Contains("16 examples, 8 steps", client.Log.Text(200), StringComparison.Ordinal);

        // The second task's model was here already.
        Assert.Contains(first.Model.Digest, aggregator.Messages<NextTaskRequest>().Last().CachedDigests);
        Assert.Equal(1, aggregator.Count("Download"));
    }

    [Fact]
    public async Task A_tasks_duration_and_bytes_are_measured()
    {
        var measured = new System.Collections.Concurrent.ConcurrentBag<(string Name, string Tags)>();
        using var listener = new System.Diagnostics.Metrics.MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Meter.Name == "FedCore") self.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<double>((instrument, _, tags, _) => measured.Add(($"{instrument.Name} in {instrument.Unit}", string.Join(' ', tags.ToArray().Select(tag => tag.Value)))));
        listener.SetMeasurementEventCallback<long>((instrument, _, _, _) => measured.Add(($"{instrument.Name} in {instrument.Unit}", "")));
        listener.Start();
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator);
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        run.Train(1);
        await aggregator.AcceptedAsync(run.Evaluate(1).TaskId);
        await aggregator.WaitAsync(() => measured.Contains(("fedcore.client.task.duration in s", "evaluate finished")));
        Assert.Contains(("fedcore.client.task.duration in s", "train finished"), measured);
        Assert.Contains(("fedcore.client.task.duration in s", "evaluate finished"), measured);
        Assert.Contains(("fedcore.client.upload.size in By", ""), measured);
        Assert.Contains(("fedcore.client.download.size in By", ""), measured);
    }

    [Fact]
    public async Task Every_call_says_who_calls_and_a_restart_is_told_from_another_client()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        var seen = new List<string>();
        for (int start = 1; start <= 2; start++)
        {
            await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
            await aggregator.WaitForCallsAsync("NextTask", start);
            Assert.Equal(("Bearer north", "1"), (aggregator.LastHeaders!.GetValue("authorization"), aggregator.LastHeaders.GetValue("fedcore-protocol")));
            seen.Add(aggregator.LastHeaders.GetValue("fedcore-client")!);
        }

        Assert.Matches("^[0-9a-f]{32}[.]1[.][0-9a-f]{16}$", seen[0]);
        Assert.StartsWith(seen[0][..33] + "2.", seen[1], StringComparison.Ordinal);
        Assert.NotEqual(seen[0][^16..], seen[1][^16..]);
    }

    [Fact]
    public async Task Progress_is_reported_while_a_task_is_trained()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        aggregator.Terms.LivenessSeconds = 1;
        using var run = new SmallRun(aggregator);
        var trainer = new GatedTrainer((_, _) => aggregator.WaitForCallsAsync("ReportProgress", 3));
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path, trainer));
        TaskOffer task = run.Train(1);
        await aggregator.AcceptedAsync(task.TaskId);
        Assert.All(aggregator.Messages<ProgressRequest>(), report => Assert.Equal((task.TaskId, -1), (report.TaskId, report.Steps)));
    }

    [Fact]
    public async Task Progress_is_reported_while_a_model_comes()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        (aggregator.Terms.LivenessSeconds, aggregator.Terms.InlineBytes) = (1, 0);
        aggregator.OnBlob = (_, _) => aggregator.WaitForCallsAsync("ReportProgress", 3);
        using var run = new SmallRun(aggregator);
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        await aggregator.AcceptedAsync(run.Train(1).TaskId);
    }

    [Fact]
    public async Task Training_that_nobody_waits_for_is_given_up()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        aggregator.Terms.LivenessSeconds = 1;
        using var run = new SmallRun(aggregator);
        TaskOffer? first = null;
        var trainer = new GatedTrainer(async (task, ct) =>
        {
            if (task.Round > 1) return;
            aggregator.Withdraw(first!.TaskId);
            await Task.Delay(Timeout.Infinite, ct);
        });
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path, trainer));
        first = run.Train(1);
        await aggregator.WaitForCallsAsync("ReportProgress", 1);
        await aggregator.AcceptedAsync(run.Train(2).TaskId);
        Assert.True(client.Log.Has(203));
        Assert.False(aggregator.Uploads.ContainsKey(first.TaskId));
        Assert.DoesNotContain(Directory.EnumerateDirectories(_folder["outbox"]), path => path.Contains(first.TaskId, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Training_ends_with_its_deadline()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator);
        var trainer = new GatedTrainer((task, ct) => task.Round == 1 ? Task.Delay(Timeout.Infinite, ct) : Task.CompletedTask);
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path, trainer));
        TaskOffer late = run.Train(1, offer => offer.DeadlineMilliseconds = 50);
        await aggregator.WaitAsync(() => client.Log.Has(204));
        aggregator.Withdraw(late.TaskId);
        await aggregator.AcceptedAsync(run.Train(2).TaskId);
        Assert.False(aggregator.Uploads.ContainsKey(late.TaskId));
    }

    [Fact]
    public async Task A_download_that_breaks_goes_on_where_it_broke()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        aggregator.Terms.InlineBytes = 1000;
        using var run = new SmallRun(aggregator, hidden: 3000);
        bool broken = false;
        TaskOffer task = run.Train(1);
        var partial = new FileInfo(_folder[$"blobs/{Convert.ToHexStringLower(task.Model.Digest.Span)}.partial"]);
        aggregator.OnBlob = async (sent, context) =>
        {
            if (sent < 48 << 10 || broken) return;
            broken = true;

            // What has not come in would go with the connection.
            for (; !partial.Exists || partial.Length == 0; partial.Refresh()) await Task.Delay(5, context.CancellationToken);
            context.GetHttpContext().Abort();
        };
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        await aggregator.AcceptedAsync(task.TaskId);
        DownloadRequest[] downloads = [.. aggregator.Messages<DownloadRequest>().Where(request => request.Digest == task.Model.Digest)];
        Assert.Equal(2, downloads.Length);
        Assert.InRange(downloads[1].Offset, 1, 64 << 10);
        Assert.True(client.Log.Has(103));
    }

    [Fact]
    public async Task A_blob_with_another_content_is_not_used()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        aggregator.Terms.InlineBytes = 0;
        using var run = new SmallRun(aggregator);
        var trainer = new GatedTrainer();
        TaskOffer task = run.Train(1);
        byte[] wrong = [.. aggregator.Contents[Convert.ToHexStringLower(task.Model.Digest.Span)]];
        wrong[^1] ^= 1;
        aggregator.Contents[Convert.ToHexStringLower(task.Model.Digest.Span)] = wrong;
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path, trainer));
        await aggregator.WaitForCallsAsync("DeclineTask", 1);
        Assert.Equal(("blob.digest", 0), (aggregator.Messages<DeclineRequest>().Single().Reason, trainer.Trained));
        Assert.DoesNotContain(Convert.ToHexStringLower(task.Model.Digest.Span), Directory.EnumerateFiles(_folder["blobs"]).Select(Path.GetFileName));
    }

    public static TheoryData<string, string> Misfits => new()
    {
        { "memory", "client.memory" }, { "label", "data.label" }, { "source", "data.contract" }, { "trainer", "client.failed" }, { "nan", "update.not-finite" },
        { "few", "secagg.cohort" }, { "gone", "secagg.survivors" }, { "clear", "run.secure-aggregation" }, { "rate", "secagg.assignment" }, { "examples", "secagg.assignment" }, { "round", "task.round" }, { "size", "task.size" }, { "run", "task.invalid" },
    };

    [Theory]
    [MemberData(nameof(Misfits))]
    public async Task A_task_that_the_site_cannot_do_is_declined_with_the_reason_and_logged_once_per_run(string what, string reason)
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, hidden: what == "memory" ? 400_000 : 4, change: what switch
        {
            "few" or "gone" or "rate" or "examples" => definition => definition with { SecureAggregation = new SecureAggregationPolicy(), Training = definition.Training with { WeightBy = WeightBy.Uniform } },
            _ => null,
        });
        var trainer = new GatedTrainer((_, _) => what == "trainer" ? throw new InvalidTimeZoneException("out of order") : Task.CompletedTask);
        Client.Settings.ClientSettings settings = RunningClient.Settings(aggregator, _folder.Path, trainer, what switch
        {
            "source" => new Training.Data.Csv.CsvSource { Files = [_folder.File("table.csv", "x,y\n1,0\n")] },
            _ => null,
        });
        if (what == "memory") settings = settings with { Limits = new ResourceLimits { MemoryMb = 128 } };
        if (what == "few") settings = settings with { SecureAggregation = new SecureAggregationDemands { MinimumCohort = 4 } };
        if (what == "gone") settings = settings with { SecureAggregation = new SecureAggregationDemands { MaximumDropout = 0.2 } };
        if (what == "clear") settings = settings with { SecureAggregation = new SecureAggregationDemands { Required = true } };
        if (what == "label") settings = settings with { Data = new WrongLabels() };
        if (what == "nan") run.Model.Trainable.AsSpan().Fill(float.NaN);
        void Change(TaskOffer offer)
        {
            if (what == "size") offer.Model = new Blob { Digest = offer.Model.Digest, Length = 1L << 40 };
            if (what == "rate") offer.Train.LearningRate *= 1e-9;
            if (what == "examples") (offer.Train.UniformWeight, offer.Train.MaxExamples) = (false, 1L << 62);
            if (what == "round") offer.Round += 9;
            if (what == "run") offer.RunId = "../../etc";
        }

        await using RunningClient client = await RunningClient.StartAsync(settings);
        run.Train(1, Change);
        await aggregator.WaitForCallsAsync("DeclineTask", 1);
        run.Train(2, Change);
        await aggregator.WaitForCallsAsync("DeclineTask", 2);
        Assert.Equal([reason, reason], aggregator.Messages<DeclineRequest>().Select(declined => declined.Reason));
        await aggregator.WaitForCallsAsync("NextTask", 3);
        Assert.Equal((1, 1), (client.Log.Count(206), client.Log.Count(207)));
        Assert.Empty(Directory.EnumerateDirectories(_folder["outbox"]));
    }

    // A site that declined would tell whoever wrote the run what is in its records.
    [Theory]
    [InlineData("label", 114)]
    [InlineData("nan", 116)]
    public async Task Where_a_run_promises_privacy_what_a_site_cannot_learn_from_is_for_its_own_log_alone(string what, int logged)
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: definition => definition with
        {
            Privacy = new PrivacyPolicy { Clip = 1, NoiseMultiplier = 1, Delta = 1e-5 },
            Training = definition.Training with { WeightBy = WeightBy.Uniform },
            Evaluation = new EvaluationPlan { Every = 0 },
        });
        Client.Settings.ClientSettings settings = RunningClient.Settings(aggregator, _folder.Path);
        if (what == "label") settings = settings with { Data = new WrongLabels() };
        if (what == "nan") run.Model.Trainable.AsSpan().Fill(float.NaN);
        await using RunningClient client = await RunningClient.StartAsync(settings);
        Assert.NotEmpty(await aggregator.AcceptedAsync(run.Train(1).TaskId));
        Assert.Equal((1, 0), (client.Log.Count(logged), aggregator.Count("DeclineTask")));
    }

    [Fact]
    public async Task Definitions_that_read_otherwise_here_are_declined()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator);
        Blob other = aggregator.Put([.. run.Plan.CanonicalBytes.ToArray(), (byte)' ']);
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        run.Train(1, offer => offer.Definition = other);
        await aggregator.WaitForCallsAsync("DeclineTask", 1);
        Assert.Equal("run.hash", aggregator.Messages<DeclineRequest>().Single().Reason);
    }

    [Fact]
    public async Task A_run_that_takes_partial_work_gets_what_can_be_done_in_time()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: definition => definition with { Disclosures = [Disclosure.Timing] });
        var trainer = new GatedTrainer((task, ct) => task.Round == 1 ? Task.Delay(TimeSpan.FromSeconds(2), ct) : Task.CompletedTask);
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path, trainer));

        // 8 steps took 2 s at least: in 1 s less than half of them can be done.
        await aggregator.AcceptedAsync(run.Train(1, offer => offer.Train.AcceptPartialWork = true).TaskId);
        string second = run.Train(2, offer => (offer.Train.AcceptPartialWork, offer.DeadlineMilliseconds) = (true, 1000)).TaskId;
        string third = run.Train(3, offer => (offer.Train.AcceptPartialWork, offer.DeadlineMilliseconds) = (false, 60_000)).TaskId;
        await aggregator.AcceptedAsync(second);
        await aggregator.AcceptedAsync(third);
        UploadHead partial = aggregator.Uploads[second].Head, whole = aggregator.Uploads[third].Head;
        Assert.InRange(partial.Steps, 1, 3);
        Assert.Equal((8, 8, 8), (partial.PlannedSteps, whole.Steps, whole.PlannedSteps));
    }

    [Fact]
    public async Task The_memory_of_a_run_that_is_not_asked_for_in_a_while_is_given_back()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using SmallRun first = new(aggregator, name: "first"), second = new(aggregator, name: "second");
        var clock = new HandClock();
        var trainer = new GatedTrainer();
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path, trainer), clock: clock);
        await aggregator.AcceptedAsync(first.Train(1).TaskId);
        await aggregator.AcceptedAsync(second.Train(1).TaskId);
        Assert.Equal((2, 0), (trainer.Workspaces, trainer.Disposed));

        // A call that waits is given up by the same clock, and made again.
        clock.Move(Client.Tasks.RunRooms.KeepTime / 2);
        await clock.MoveUntilAsync(aggregator.AcceptedAsync(second.Train(2).TaskId));
        clock.Move(Client.Tasks.RunRooms.KeepTime / 2);
        await clock.MoveUntilAsync(aggregator.AcceptedAsync(second.Train(3).TaskId));
        await clock.MoveUntilAsync(aggregator.WaitAsync(() => trainer.Disposed > 0));
        Assert.Equal((2, 1), (trainer.Workspaces, trainer.Disposed));
    }

    [Fact]
    public async Task A_trainer_that_hangs_costs_its_task_and_not_the_client()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using SmallRun hung = new(aggregator, name: "hung"), other = new(aggregator, name: "other");
        var clock = new HandClock();
        var hang = new TaskCompletionSource();
        var trainer = new GatedTrainer((task, _) => task.Round == 1 ? hang.Task : Task.CompletedTask);
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path, trainer), clock: clock);
        TaskOffer first = hung.Train(1);
        await clock.MoveUntilAsync(aggregator.WaitForCallsAsync("DeclineTask", 1));

        // Other runs go on; the same one cannot until its trainer is back.
        await clock.MoveUntilAsync(aggregator.AcceptedAsync(other.Train(2).TaskId));
        TaskOffer second = hung.Train(2);
        await clock.MoveUntilAsync(aggregator.WaitForCallsAsync("DeclineTask", 2));
        Assert.Equal([(first.TaskId, "client.hangs"), (second.TaskId, "client.hangs")], aggregator.Messages<DeclineRequest>().Select(declined => (declined.TaskId, declined.Reason)));
        hang.SetResult();
        await aggregator.WaitAsync(() => trainer.Ended == trainer.Trained);
        await clock.MoveUntilAsync(aggregator.AcceptedAsync(hung.Train(3).TaskId));
    }

    private sealed class WrongLabels : Training.Data.IDataSource
    {
        public ValueTask<Training.Data.DataPool> LoadAsync(Training.Data.DataRequest request, CancellationToken ct) => ValueTask.FromResult(
            new Training.Data.DataPool(new Training.Data.InMemoryExamples(new Shape(request.Run.Model.Input[0]), new float[20 * request.Run.Model.Input[0]], [.. Enumerable.Range(0, 20).Select(i => (float)i)])));
    }
}
