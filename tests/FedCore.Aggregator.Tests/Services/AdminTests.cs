using System.Security.Cryptography;
using System.Text;
using FedCore.Protocol.V1;
using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>What coordinators say, right and wrong.</summary>
public class AdminTests
{
    private static readonly SmallRun Small = new();

    [Fact]
    public async Task A_name_that_no_run_may_have_is_refused()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        await aggregator.AddSiteAsync("north");
        foreach (string name in (string[])["", "A", "1", "-a", "a_b", "a.b", "a/b", "../a", "a\0", "a\n", "é", "con", "lpt1", new string('a', 64), new string('a', 100_000)])
            await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "run.name", () => aggregator.CreateRunAsync(name, Small));
        foreach (string name in (string[])[new string('a', 63), "cons", "com10"]) Assert.Equal(name, (await aggregator.CreateRunAsync(name, Small)).RunId);
    }

    [Fact]
    public async Task What_is_no_definition_is_refused()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        await aggregator.AddSiteAsync("north");
        string good = Encoding.UTF8.GetString(Small.Definition);
        (byte[] Bytes, string Code)[] definitions =
        [
            ([], "json.syntax"),
            ([0xff, 0xfe], "run.definition"),
            ("null"u8.ToArray(), "json.syntax"),
            ("[]"u8.ToArray(), "json.syntax"),
            ("{"u8.ToArray(), "json.syntax"),
            ("{}"u8.ToArray(), "json.schema"),
            (Encoding.UTF8.GetBytes(new string('[', 500_000)), "json.syntax"),
            (Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"a\":", 100_000))), "json.syntax"),
            (Encoding.UTF8.GetBytes(good.Replace("\"inputs\"", "\"x\"", StringComparison.Ordinal).Replace("fedavg", "nothing", StringComparison.Ordinal)), "json.schema"),
            (Encoding.UTF8.GetBytes(good.Replace("\"count\":1", "\"count\":0", StringComparison.Ordinal)), "json.schema"),
            (Encoding.UTF8.GetBytes(good.Replace("\"count\":1", "\"count\":1,\"count\":2", StringComparison.Ordinal)), "json.syntax"),
            (Encoding.UTF8.GetBytes(good.Replace("\"learningRate\":0.1", "\"learningRate\":1e999", StringComparison.Ordinal)), "json.schema"),
            (Encoding.UTF8.GetBytes(good.Replace("\"name\":\"small\"", $"\"name\":\"{new string('x', 1 << 20)}\"", StringComparison.Ordinal)), "request.invalid"),
        ];
        foreach ((byte[] bytes, string code) in definitions)
        {
            var request = new CreateRunRequest { RunId = "run", Definition = ByteString.CopyFrom(bytes) };
            await Refusal.ThrowsAsync(StatusCode.InvalidArgument, code, async () => await aggregator.Admin.CreateRunAsync(request, aggregator.AsCoordinator()));
        }

        Assert.Empty((await aggregator.Admin.ListRunsAsync(new ListRunsRequest(), aggregator.AsCoordinator())).Runs);
        Assert.Empty(aggregator.Log.Errors);
    }

    [Fact]
    public async Task A_run_needs_sites_that_there_are()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "run.sites", () => aggregator.CreateRunAsync("run", Small));
        TestSite north = await aggregator.AddSiteAsync("north");
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "run.sites", () => aggregator.CreateRunAsync("run", Small, north, north));
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "run.sites", () => aggregator.CreateRunAsync("run", Small, north, new TestSite(aggregator, "nobody", "")));
        Assert.Equal(["north"], (await aggregator.CreateRunAsync("run", Small)).Sites);
    }

    [Fact]
    public async Task A_run_that_names_no_sites_is_for_those_that_may_join()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        await aggregator.AddSiteAsync("gone");
        await aggregator.Admin.ReplaceTokenAsync(new ReplaceTokenRequest { Name = "gone", Revoke = true }, aggregator.AsCoordinator());
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "run.sites", () => aggregator.CreateRunAsync("run", Small));
        TestSite north = await aggregator.AddSiteAsync("north");
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "run.sites", () => aggregator.CreateRunAsync("run", Small, north, new TestSite(aggregator, "gone", "")));
        Assert.Equal(["north"], (await aggregator.CreateRunAsync("run", Small)).Sites);
    }

    [Fact]
    public async Task A_name_that_is_taken_is_refused_and_the_run_that_has_it_goes_on()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("run", Small);
        await Refusal.ThrowsAsync(StatusCode.AlreadyExists, "run.exists", () => aggregator.CreateRunAsync("run", new SmallRun(rounds: 2)));
        await north.AnswerAsync(await north.TaskAsync(), Small.Update());
        Assert.Equal(RunPhase.Completed, (await aggregator.EndOfAsync("run")).Phase);
    }

    [Fact]
    public async Task Of_two_who_create_a_run_at_once_one_does()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        await aggregator.AddSiteAsync("north");
        bool[] created = await Task.WhenAll(Enumerable.Range(0, 10).Select(async _ =>
        {
            try
            {
                await aggregator.CreateRunAsync("run", Small);
                return true;
            }
            catch (RpcException fault) when (fault.StatusCode == StatusCode.AlreadyExists)
            {
                return false;
            }
        }));
        Assert.Single(created, true);
        Assert.Single((await aggregator.Admin.ListRunsAsync(new ListRunsRequest(), aggregator.AsCoordinator())).Runs);
    }

    [Fact]
    public async Task A_watch_shows_all_facts_from_the_first_and_as_they_come_to_the_end()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer first) = await aggregator.AskAsync(new SmallRun(rounds: 2));
        using AsyncServerStreamingCall<RunFact> watch = aggregator.Admin.WatchRun(new WatchRunRequest { RunId = "run" }, aggregator.AsCoordinator());
        var facts = new List<RunFact>();
        while (facts.LastOrDefault()?.Kind != "roundOpened" && await watch.ResponseStream.MoveNext(TestContext.Current.CancellationToken)) facts.Add(watch.ResponseStream.Current);
        await north.AnswerAsync(first, Small.Update());
        await north.AnswerAsync(await north.TaskAsync(first.TaskId), Small.Update());
        await foreach (RunFact fact in watch.ResponseStream.ReadAllAsync(TestContext.Current.CancellationToken)) facts.Add(fact);
        Assert.Equal(Enumerable.Range(1, facts.Count), facts.Select(fact => (int)fact.Sequence));
        Assert.Equal(("runOpened", "runEnded", 2), (facts[0].Kind, facts[^1].Kind, facts.Count(fact => fact.Kind == "roundEnded")));

        // Also when it is all over, and from anywhere.
        Assert.Equal(facts, await aggregator.FactsAsync("run"));
        Assert.Equal(facts[3..], await aggregator.FactsAsync("run", 3));
        Assert.Empty(await aggregator.FactsAsync("run", facts.Count));
        Assert.Empty(await aggregator.FactsAsync("run", long.MaxValue));
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "request.invalid", () => aggregator.FactsAsync("run", -1));
    }

    [Fact]
    public async Task Receipts_and_models_of_a_run_can_be_had()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync(settings => settings with { KeepModels = 2 });
        TestSite north = await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("run", new SmallRun(rounds: 4));
        string[] done = [];
        for (int round = 1; round <= 4; round++)
        {
            TaskOffer task = await north.TaskAsync(done);
            await north.AnswerAsync(task, Small.Update());
            done = [.. done, task.TaskId];
        }

        Run run = await aggregator.EndOfAsync("run");
        Assert.Equal(4, (await aggregator.ReceiptsAsync("run")).Count);
        IReadOnlyList<StoredModel> models = (await aggregator.Admin.ListModelsAsync(Asking, aggregator.AsCoordinator())).Models;
        Assert.Equal([0, 3, 4], models.Select(model => model.Round));
        Assert.Equal((models[^1].Model, 4), (run.Model, run.ModelRound));
        foreach (StoredModel model in models)
            Assert.Equal(model.Model.Digest.ToByteArray(), SHA256.HashData(await TestSite.DownloadAsync(aggregator.Blobs, model.Model.Digest, 0, aggregator.AsCoordinator())));
    }

    [Fact]
    public async Task Of_a_run_that_there_is_not_nothing_can_be_had()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        CallOptions options = aggregator.AsCoordinator();
        Func<Task>[] calls =
        [
            async () => await aggregator.Admin.GetRunAsync(Asking, options),
            async () => await aggregator.Admin.PauseRunAsync(Asking, options),
            async () => await aggregator.Admin.ResumeRunAsync(Asking, options),
            async () => await aggregator.Admin.CancelRunAsync(Asking, options),
            async () => await aggregator.Admin.ListModelsAsync(Asking, options),
            () => aggregator.ReceiptsAsync("run"),
            () => aggregator.FactsAsync("run"),
        ];
        foreach (Func<Task> call in calls) await Refusal.ThrowsAsync(StatusCode.NotFound, "run.unknown", call);
    }

    [Fact]
    public async Task Sites_have_names_that_can_be_had_once()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        foreach (string name in (string[])["", ".", "-a", "a b", "a/b", "a\n", "é", new string('a', 101)])
            await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "site.name", () => aggregator.AddSiteAsync(name));
        TestSite north = await aggregator.AddSiteAsync("north");
        await Refusal.ThrowsAsync(StatusCode.AlreadyExists, "site.exists", () => aggregator.AddSiteAsync("north"));
        await Refusal.ThrowsAsync(StatusCode.NotFound, "site.unknown", async () => await aggregator.Admin.ReplaceTokenAsync(new ReplaceTokenRequest { Name = "south" }, aggregator.AsCoordinator()));
        Assert.Equal("north", (await north.JoinAsync()).Site);
    }

    private static RunRequest Asking => new() { RunId = "run" };
}
