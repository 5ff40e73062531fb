using System.Buffers;
using FedCore.Client.SecureSums;
using FedCore.Client.Settings;
using FedCore.Client.Storage;
using FedCore.Client.Tests.Fakes;
using FedCore.Compression;
using FedCore.Hosting.Federation;
using FedCore.Numerics;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using FedCore.SecureAggregation;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Ring;
using FedCore.SecureAggregation.Sessions;
using FedCore.SecureAggregation.Suites;
using FedCore.Tests;

namespace FedCore.Client.Tests.SecureSums;

/// <summary>A client in secure sums: what leaves it and when, what it has done before, and whom it believes.</summary>
public sealed class SecureSumTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_a_task_came_to_stays_at_the_site_until_it_is_masked_and_is_then_in_the_sum(bool isTraining)
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: FakeSum.Secure);
        await using RunningClient client = await StartAsync(aggregator);
        TaskOffer task = await ReadyAsync(aggregator, run, client, isTraining);
        Assert.Equal("ready"u8.ToArray(), aggregator.Uploads[task.TaskId].Content);
        using var sum = new FakeSum(aggregator, run, task);
        RingSum of = await sum.HoldAsync();

        // The others' inputs are zeros.
        byte[] result = await File.ReadAllBytesAsync(_folder[$"unsettled/{task.TaskId}/result.bin"], TestContext.Current.CancellationToken);
        using var bytes = new EncodedInMemory(result);
        var open = new ArrayBufferWriter<byte>();
        sum.Ring.Write(bytes, run.Plan.Random.Stream("ring", 1, FakeAggregator.Site), null, null, open);
        using var memory = new FlatVector(sum.Ring.Encoding.VectorLength);
        var expected = new RingSum(sum.Ring.Encoding, memory);
        using (var written = new EncodedInMemory(open.WrittenMemory)) UpdateRing.Add(written, expected);
        Assert.Equal(expected.Scalars.ToArray(), of.Scalars.ToArray());
        Assert.NotEqual(0ul, expected.Scalars.ToArray().Max());
        if (isTraining) Assert.Equal(expected.Words(0, (int)memory.Length).ToArray(), of.Words(0, (int)memory.Length).ToArray());
        Assert.Equal(open.WrittenCount, sum.Sent[SessionStage.Mask].Length);
        Assert.NotEqual(open.WrittenSpan.ToArray(), sum.Sent[SessionStage.Mask]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_has_been_summed_or_never_will_be_goes_when_it_is_settled(bool isTraining)
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: FakeSum.Secure);
        await using RunningClient client = await StartAsync(aggregator);
        TaskOffer task = await ReadyAsync(aggregator, run, client, isTraining);
        await aggregator.WaitAsync(() => aggregator.Messages<NextTaskRequest>().Any(request => request.UnsettledTasks.Any(unsettled => unsettled.TaskId == task.TaskId && unsettled.IsEvaluation == !isTraining)));
        aggregator.Settlement = _ => isTraining;
        aggregator.Beat();
        await aggregator.WaitAsync(() => client.Outbox.Unsettled.Count == 0);
        Assert.Empty(Directory.EnumerateDirectories(_folder["unsettled"]));
        using var sum = new FakeSum(aggregator, run, task);
        Assert.Equal(ExchangeDesk.NoResult, (await sum.AskAsync(SessionStage.Advertise, [])).Declined);
    }

    // Its keys were in memory; and a second set of them for the same attempt could be played off against the first.
    [Fact]
    public async Task Started_anew_it_is_lost_for_the_session_that_was_open_and_takes_part_in_the_next_attempt()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: FakeSum.Secure);
        TaskOffer task;
        FakeSum first;
        await using (RunningClient client = await StartAsync(aggregator))
        {
            task = await ReadyAsync(aggregator, run, client, isTraining: true);
            first = new FakeSum(aggregator, run, task);
            Assert.NotNull((await first.AskAsync(SessionStage.Advertise, [])).Answer);
        }

        await using RunningClient again = await StartAsync(aggregator);
        Assert.Equal(ExchangeDesk.SessionLost, (await first.AskAsync(SessionStage.Share, [])).Declined);
        Assert.Equal(SecureAggregationCodes.Replayed, (await first.AskAsync(SessionStage.Advertise, [])).Declined);
        first.Dispose();
        using var second = new FakeSum(aggregator, run, task, attempt: 2);
        await second.HoldAsync();
    }

    [Fact]
    public async Task The_same_message_is_answered_in_the_same_way_as_long_as_it_runs()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: FakeSum.Secure);
        await using RunningClient client = await StartAsync(aggregator);
        using var sum = new FakeSum(aggregator, run, await ReadyAsync(aggregator, run, client, isTraining: true));
        byte[]? first = (await sum.AskAsync(SessionStage.Advertise, [])).Answer;
        Assert.NotNull(first);
        Assert.Equal(first, (await sum.AskAsync(SessionStage.Advertise, [])).Answer);
    }

    // The difference of two sums of one update, over nearly the same sites, would be somebody's update: training anew gives the same one.
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task Behind_a_sum_that_it_helped_to_unmask_it_has_no_part_in_another_of_the_round(bool isStartedAnew, bool isTrainedAnew)
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: FakeSum.Secure);
        RunningClient client = await StartAsync(aggregator);
        TaskOffer task = await ReadyAsync(aggregator, run, client, isTraining: true);
        using (var first = new FakeSum(aggregator, run, task)) await first.HoldAsync();
        if (isStartedAnew)
        {
            await client.DisposeAsync();
            client = await StartAsync(aggregator);
        }

        if (isTrainedAnew)
        {
            aggregator.Settlement = _ => false;
            aggregator.Beat();
            await aggregator.WaitAsync(() => client.Outbox.Unsettled.Count == 0);
            aggregator.Settlement = _ => null;
            aggregator.Uploads.TryRemove(task.TaskId, out _);
            await ReadyAsync(aggregator, run, client, isTraining: true);
        }

        using var second = new FakeSum(aggregator, run, task, attempt: 2);
        Assert.Equal(SecureAggregationCodes.Retry, (await second.AskAsync(SessionStage.Advertise, [])).Declined);
        await client.DisposeAsync();
    }

    [Fact]
    public async Task The_metrics_of_a_model_are_not_summed_again_behind_the_next_round()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: FakeSum.Secure);
        await using RunningClient client = await StartAsync(aggregator);
        using (var first = new FakeSum(aggregator, run, await ReadyAsync(aggregator, run, client, isTraining: false))) await first.HoldAsync();
        using (var second = new FakeSum(aggregator, run, await ReadyAsync(aggregator, run, client, isTraining: false, round: 2)))
            Assert.Equal(SecureAggregationCodes.Retry, (await second.AskAsync(SessionStage.Advertise, [])).Declined);
        run.Model.Trainable.AsSpan()[0] += 1;
        using var third = new FakeSum(aggregator, run, await ReadyAsync(aggregator, run, client, isTraining: false, round: 3));
        await third.HoldAsync();
    }

    // An aggregator that had given the others a model or a learning rate with which nothing comes of their training would have this site's update as the sum.
    [Theory]
    [InlineData(true, "model")]
    [InlineData(true, "rate")]
    [InlineData(false, "model")]
    public async Task What_came_of_another_model_or_other_work_than_its_own_is_not_summed_with_what_came_of_its_own(bool isTraining, string what)
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: FakeSum.Secure);
        await using RunningClient client = await StartAsync(aggregator);
        TaskOffer task = await ReadyAsync(aggregator, run, client, isTraining), others = task.Clone();
        if (what == "model") others.Model = aggregator.Put([1]);
        else others.Train.LearningRate *= 1e-9;
        using var sum = new FakeSum(aggregator, run, task, given: Assignment.DigestOf(others));
        Assert.Equal(SecureAggregationCodes.Assignment, (await sum.AskAsync(SessionStage.Advertise, [])).Declined);
    }

    [Theory]
    [InlineData("{\"round\":")]
    [InlineData("{}")]
    [InlineData("{\"round\":1,\"attempt\":1}")]
    [InlineData("{\"round\":1,\"attempt\":1,\"revealed\":-1,\"assignment\":null}")]
    public async Task A_history_that_cannot_be_read_ends_its_part_in_the_run(string history)
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: FakeSum.Secure);
        await using RunningClient client = await StartAsync(aggregator);
        TaskOffer task = await ReadyAsync(aggregator, run, client, isTraining: true);
        _folder.File($"sums/run-{run.Plan.Hash["sha256:".Length..]}-update.json", history);
        using var sum = new FakeSum(aggregator, run, task);
        Assert.Equal("client.history", (await sum.AskAsync(SessionStage.Advertise, [])).Declined);
    }

    // Neither keys nor shares, when it could not be written down that they leave.
    [Fact]
    public void What_cannot_be_written_down_does_not_happen()
    {
        var disk = new FailingDisk();
        using DataFolder folder = DataFolder.Open(_folder["data"], disk);
        var history = KeptHistory.Open(folder, "run", new string('a', 64), SumPurpose.Update, new string('b', 64));
        disk.Fails = true;
        using ISigningKey key = SecureAggregationSuites.Default.CreateSigningKey();
        RingEncoding encoding = RingEncoding.Create([new RingSection("vector", 10, true, 1)], 3, new RingOptions());
        var terms = new SessionTerms
        {
            Run = "sha256:a",
            Purpose = SumPurpose.Update,
            Round = 1,
            Attempt = 1,
            Nonce = new byte[SessionTerms.NonceLength],
            Encoding = encoding.Digest(),
            Assignment = new byte[SessionTerms.HashLength],
            Invited = 3,
            Graph = new(2, 3),
            MinimumCohort = 3,
            MaximumDropout = 0,
        };
        var party = new ClientParty("north", key, new OfferedKeys(), new ClientLimits(), history);
        Assert.Throws<IOException>(() => new ClientSession(terms, party, new SessionExpectation("sha256:a", SumPurpose.Update, 1, encoding.Digest(), terms.Assignment)));
        disk.Fails = false;
        using var session = new ClientSession(terms, party, new SessionExpectation("sha256:a", SumPurpose.Update, 1, encoding.Digest(), terms.Assignment));
        Assert.Equal("""{"round":1,"attempt":1,"revealed":0,"assignment":null}""", File.ReadAllText(Directory.EnumerateFiles(folder.Sums).Single()));
    }

    [Fact]
    public async Task Keys_that_the_aggregator_passes_on_for_others_do_not_fit_what_they_sign()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: FakeSum.Secure);
        await using RunningClient client = await StartAsync(aggregator);
        TaskOffer task = await ReadyAsync(aggregator, run, client, isTraining: true);
        using var sum = new FakeSum(aggregator, run, task) { KeyOf = name => name == "east" ? "south" : name };
        Assert.Equal(SecureAggregationCodes.Signature, (await Assert.ThrowsAsync<SecureAggregationException>(sum.HoldAsync)).Code);
    }

    // Whatever the aggregator says about the others' keys.
    [Fact]
    public async Task With_a_roster_it_believes_nobody_who_is_not_in_it()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: FakeSum.Secure);
        using var federation = new Federation(_folder);
        federation.Sign(1, FakeAggregator.Site);
        await using RunningClient client = await StartAsync(aggregator, federation.Settings);
        Assert.Equal("clinics/1", aggregator.Messages<JoinRequest>().Last().Roster);
        TaskOffer task = await ReadyAsync(aggregator, run, client, isTraining: true);
        using var sum = new FakeSum(aggregator, run, task);
        Assert.Equal(SecureAggregationCodes.Roster, (await Assert.ThrowsAsync<SecureAggregationException>(sum.HoldAsync)).Code);
    }

    [Theory]
    [InlineData("east")]
    [InlineData("north")]
    public async Task A_site_that_is_not_in_the_roster_with_its_key_takes_part_in_nothing(string listed)
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: FakeSum.Secure);
        using var federation = new Federation(_folder);
        federation.Sign(1, listed, isItsOwn: false);
        await using RunningClient client = await StartAsync(aggregator, federation.Settings);
        TaskOffer task = await ReadyAsync(aggregator, run, client, isTraining: true);
        using var sum = new FakeSum(aggregator, run, task);
        Assert.Equal(SecureAggregationCodes.Roster, (await sum.AskAsync(SessionStage.Advertise, [])).Declined);
    }

    [Fact]
    public async Task A_newer_roster_counts_at_once_and_an_older_one_never_again_also_started_anew()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, change: FakeSum.Secure);
        using var federation = new Federation(_folder);
        federation.Sign(1, "east", isItsOwn: false);
        byte[] old = await File.ReadAllBytesAsync(federation.Settings.File, TestContext.Current.CancellationToken);
        await using (RunningClient client = await StartAsync(aggregator, federation.Settings))
        {
            TaskOffer task = await ReadyAsync(aggregator, run, client, isTraining: true);
            federation.Sign(2, FakeAggregator.Site);
            using var sum = new FakeSum(aggregator, run, task);
            Assert.NotNull((await sum.AskAsync(SessionStage.Advertise, [])).Answer);
            await File.WriteAllBytesAsync(federation.Settings.File, old, TestContext.Current.CancellationToken);
            using var later = new FakeSum(aggregator, run, task, attempt: 2);
            Assert.Equal("roster.old", (await later.AskAsync(SessionStage.Advertise, [])).Declined);
        }

        Assert.Equal("roster.old", (await Assert.ThrowsAsync<FedCoreException>(() => StartAsync(aggregator, federation.Settings))).Code);
        federation.Sign(2, FakeAggregator.Site);
        await using RunningClient again = await StartAsync(aggregator, federation.Settings);
    }

    [Fact]
    public async Task A_site_that_pins_a_roster_works_for_no_run_that_sums_in_the_clear_unless_it_says_so()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator);
        using var federation = new Federation(_folder);
        federation.Sign(1, FakeAggregator.Site);
        await using (RunningClient client = await StartAsync(aggregator, federation.Settings))
        {
            run.Train(1);
            await aggregator.WaitForCallsAsync("DeclineTask", 1);
            Assert.Equal("run.secure-aggregation", aggregator.Messages<DeclineRequest>().Single().Reason);
        }

        ClientSettings settings = RunningClient.Settings(aggregator, _folder.Path) with { Roster = federation.Settings, IdentityKey = _folder["identity.key"], SecureAggregation = new SecureAggregationDemands { Required = false } };
        await using RunningClient other = await RunningClient.StartAsync(settings);
        await aggregator.AcceptedAsync(run.Train(1).TaskId);
    }

    [Fact]
    public async Task In_a_folder_that_everybody_may_enter_nobody_else_reads_the_key()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such rights.");
        if (!OperatingSystem.IsWindows()) Directory.CreateDirectory(_folder["open"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder["open"]));
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder["open/identity.pem"]));
    }

    [Theory]
    [InlineData("abc", "'abc' is no public key")]
    [InlineData("root.key", "perhaps a private one")]
    public async Task A_root_that_is_none_is_named_and_a_private_key_is_not_shown(string rootKey, string words)
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using ISigningKey root = SecureAggregationSuites.Default.CreateSigningKey();
        string pem = IdentityKeys.ToPem(root);
        string file = _folder.File("root.key", pem);
        var settings = new RosterSettings { File = "roster.json", RootKey = rootKey == "abc" ? rootKey : file };
        FedCoreException fault = await Assert.ThrowsAsync<FedCoreException>(() => RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder["data"]) with { Roster = settings }));
        Assert.Equal("roster.key", fault.Code);
        Assert.StartsWith("roster.rootKey is neither", fault.Message, StringComparison.Ordinal);
        Assert.Contains(words, fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(pem.Split('\n')[1][..20], fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_roster_the_log_calls_it_curious_server_only()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        await using RunningClient client = await StartAsync(aggregator);
        Assert.True(client.Log.Has(111));
        Assert.Equal("", aggregator.Messages<JoinRequest>().Last().Roster);
    }

    private async Task<RunningClient> StartAsync(FakeAggregator aggregator, RosterSettings? roster = null)
    {
        ClientSettings settings = RunningClient.Settings(aggregator, _folder.Path) with { Roster = roster };
        if (roster is not null) settings = settings with { IdentityKey = _folder["identity.key"] };
        return await RunningClient.StartAsync(settings);
    }

    // A task whose answer the aggregator has, and whose result is yet to be summed.
    private static async Task<TaskOffer> ReadyAsync(FakeAggregator aggregator, SmallRun run, RunningClient client, bool isTraining, int round = 1)
    {
        TaskOffer task = isTraining ? run.Train(round) : run.Evaluate(round);
        await aggregator.AcceptedAsync(task.TaskId);
        aggregator.Withdraw(task.TaskId);
        await aggregator.WaitAsync(() => client.Outbox.FindResult(task.TaskId) is not null);
        return task;
    }

    /// <summary>A federation whose root signs rosters, and the identity key of the real client.</summary>
    private sealed class Federation : IDisposable
    {
        private readonly ISigningKey _root = SecureAggregationSuites.Default.CreateSigningKey(), _own = SecureAggregationSuites.Default.CreateSigningKey(), _other = SecureAggregationSuites.Default.CreateSigningKey();

        public Federation(TemporaryFolder folder)
        {
            folder.File("identity.key", IdentityKeys.ToPem(_own));
            Settings = new RosterSettings { File = folder["roster.json.signed"], RootKey = Convert.ToBase64String(_root.PublicKey.Span) };
        }

        public RosterSettings Settings { get; }

        public void Sign(long serial, string site, bool isItsOwn = true)
        {
            var sites = new Dictionary<string, byte[]> { [site] = (isItsOwn ? _own : _other).PublicKey.ToArray() };
            File.WriteAllBytes(Settings.File, Roster.Sign("clinics", serial, sites, _root).ToFile());
        }

        public void Dispose()
        {
            _root.Dispose();
            _own.Dispose();
            _other.Dispose();
        }
    }

    private sealed class FailingDisk : Disk
    {
        public bool Fails { get; set; }

        protected override void Before(string change)
        {
            if (Fails && change.StartsWith("write ", StringComparison.Ordinal)) throw new IOException("No room.");
        }
    }
}
