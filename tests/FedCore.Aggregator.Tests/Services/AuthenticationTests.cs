using FedCore.Aggregator.Sites;
using FedCore.Protocol.V1;
using Grpc.Core;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>Who is let in. What holds for every call is asked of every method that the descriptors have, so that a new one is not forgotten.</summary>
public class AuthenticationTests
{
    private const string Client = "00112233445566778899aabbccddeeff.1.0011223344556677";

    [Fact]
    public async Task No_call_is_let_in_without_a_token_that_is_known()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        string revoked = (await aggregator.AddSiteAsync("gone")).Token, replaced = (await aggregator.AddSiteAsync("moved")).Token;
        await aggregator.Admin.ReplaceTokenAsync(new ReplaceTokenRequest { Name = "gone", Revoke = true }, aggregator.AsCoordinator());
        await aggregator.Admin.ReplaceTokenAsync(new ReplaceTokenRequest { Name = "moved" }, aggregator.AsCoordinator());
        using var raw = new RawCalls(aggregator.Address);
        foreach (string path in RawCalls.Paths)
        {
            foreach (string? token in (string?[])[null, "", "Bearer", "Bearer ", "bearer " + aggregator.CoordinatorToken, "Basic " + aggregator.CoordinatorToken,
                "Bearer " + new string('x', 43), $"Bearer {aggregator.CoordinatorToken}x", "Bearer " + revoked, "Bearer " + replaced])
            {
                RawAnswer answer = await raw.SendAsync(path, [0, 0, 0, 0, 0], token, Client);
                Assert.Equal((path, token, "Unauthenticated auth.token"), (path, token, answer.Reason));
            }
        }
    }

    [Fact]
    public async Task The_journal_holds_hashes_and_no_token()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        string added = (await aggregator.AddSiteAsync("north")).Token;
        string replaced = (await aggregator.Admin.ReplaceTokenAsync(new ReplaceTokenRequest { Name = "north" }, aggregator.AsCoordinator())).Token;
        IReadOnlyList<byte[]> journal = aggregator.JournalBytes;
        foreach (string token in (string[])[added, replaced])
        {
            Assert.Contains(journal, bytes => bytes.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(JoinToken.Hash(token))) >= 0);
            Assert.DoesNotContain(journal, bytes => bytes.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(token)) >= 0);
        }
    }

    [Fact]
    public async Task Each_call_is_for_those_whom_its_service_is_for()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        using var raw = new RawCalls(aggregator.Address);
        foreach (string path in RawCalls.Paths)
        {
            bool isForSites = path.Split('/')[1] is "fedcore.v1.Edge" or "fedcore.v1.Uploads" || path == "/fedcore.v1.Blobs/Download";
            bool isForCoordinators = path.Split('/')[1] is "fedcore.v1.Admin" or "fedcore.v1.Blobs";
            Assert.True(isForSites || isForCoordinators, path);
            if (!isForSites)
                Assert.Equal((path, "PermissionDenied auth.role"), (path, (await raw.SendAsync(path, [0, 0, 0, 0, 0], "Bearer " + north.Token, Client)).Reason));
            if (!isForCoordinators)
                Assert.Equal((path, "PermissionDenied auth.role"), (path, (await raw.SendAsync(path, [0, 0, 0, 0, 0], "Bearer " + aggregator.CoordinatorToken, null)).Reason));
        }
    }

    [Theory]
    [InlineData("upper")]
    [InlineData("lower")]
    [InlineData("slash")]
    [InlineData("percent")]
    public async Task Another_spelling_of_a_path_is_no_way_around(string spelling)
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        using var raw = new RawCalls(aggregator.Address);
        foreach (string path in RawCalls.Paths)
        {
            string spelled = spelling switch
            {
                "upper" => path.ToUpperInvariant(),
                "lower" => path.ToLowerInvariant(),
                "slash" => path + "/",
                _ => path.Replace("e", "%65", StringComparison.Ordinal),
            };
            Assert.Equal((spelled, StatusCode.Unauthenticated), (spelled, (await raw.SendAsync(spelled, [0, 0, 0, 0, 0], null, null)).Status));
            if (path.Contains("Admin", StringComparison.Ordinal))
                Assert.Equal((spelled, StatusCode.PermissionDenied), (spelled, (await raw.SendAsync(spelled, [0, 0, 0, 0, 0], "Bearer " + north.Token, Client)).Status));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("2")]
    [InlineData("1, 2")]
    [InlineData("99999999999999999999")]
    public async Task Another_version_is_told_which_are_served(string version)
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        using var raw = new RawCalls(aggregator.Address);
        foreach (string path in (string[])[.. RawCalls.Paths, "/fedcore.v1.Edge/OfLater", "/fedcore.v2.Edge/Join"])
        {
            RawAnswer answer = await raw.SendAsync(path, [0, 0, 0, 0, 0], "Bearer " + aggregator.CoordinatorToken, null, version);
            Assert.Equal((path, "FailedPrecondition protocol.version"), (path, answer.Reason));
            Assert.Equal([1], answer.Fault!.ServedVersions);
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("00112233445566778899aabbccddeeff")]
    [InlineData("00112233445566778899aabbccddeeff.")]
    [InlineData("00112233445566778899aabbccddeeff.-1")]
    [InlineData("00112233445566778899aabbccddeeff.1")]
    [InlineData("00112233445566778899aabbccddeeff.1.0011223344556677ff")]
    [InlineData("00112233445566778899AABBCCDDEEFF.1.0011223344556677")]
    [InlineData("00112233445566778899aabbccddeeff.1234567890123456789.0011223344556677")]
    public async Task A_site_must_say_which_of_its_clients_speaks(string? client)
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        using var raw = new RawCalls(aggregator.Address);
        RawAnswer answer = await raw.SendAsync("/fedcore.v1.Edge/Join", [0, 0, 0, 0, 0], "Bearer " + north.Token, client);
        Assert.Equal("InvalidArgument request.invalid", answer.Reason);
        Assert.Equal("fedcore-client", answer.Fault!.Field);
    }

    [Fact]
    public async Task What_is_not_served_is_unimplemented_for_those_who_are_known()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        using var raw = new RawCalls(aggregator.Address);
        foreach (string path in (string[])["/fedcore.v1.Edge/OfLater", "/fedcore.v1.OfLater/Join"])
        {
            Assert.Equal(StatusCode.Unimplemented, (await raw.SendAsync(path, [0, 0, 0, 0, 0], "Bearer " + north.Token, Client)).Status);
            Assert.Equal(StatusCode.Unimplemented, (await raw.SendAsync(path, [0, 0, 0, 0, 0], "Bearer " + aggregator.CoordinatorToken, null)).Status);
            Assert.Equal(StatusCode.Unauthenticated, (await raw.SendAsync(path, [0, 0, 0, 0, 0], null, null)).Status);
        }
    }

    [Fact]
    public async Task A_new_token_takes_the_place_of_the_old_one()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        await north.JoinAsync();
        string token = (await aggregator.Admin.ReplaceTokenAsync(new ReplaceTokenRequest { Name = "north" }, aggregator.AsCoordinator())).Token;
        Assert.Equal("north", (await new TestSite(aggregator, "north", token).JoinAsync()).Site);
        await Refusal.ThrowsAsync(StatusCode.Unauthenticated, "auth.token", north.JoinAsync);
        await aggregator.RestartAsync();
        Assert.Equal("north", (await new TestSite(aggregator, "north", token).JoinAsync()).Site);
        await Refusal.ThrowsAsync(StatusCode.Unauthenticated, "auth.token", north.JoinAsync);
    }

    [Fact]
    public async Task A_call_ends_with_the_token_that_it_was_let_in_by()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        var run = new SmallRun(inputs: SmallRun.LargeInputs);
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(run);
        byte[] update = run.Update();
        UploadHead head = SmallRun.HeadOf(task.TaskId, update);
        using AsyncUnaryCall<NextTaskReply> poll = north.Poll(task.TaskId);
        using AsyncClientStreamingCall<Protocol.Transfers.Chunk, UploadState> upload = north.Uploads.Send(north.Options());
        await upload.RequestStream.WriteAsync(new Protocol.Transfers.Chunk { Head = head, Data = new(update, 0, 1000) }, TestContext.Current.CancellationToken);
        await TestAggregator.UntilAsync(() => Task.FromResult(aggregator.HalfUploadsOf("run").Length == 1));
        string token = (await aggregator.Admin.ReplaceTokenAsync(new ReplaceTokenRequest { Name = "north" }, aggregator.AsCoordinator())).Token;
        await Refusal.ThrowsAsync(StatusCode.Unauthenticated, "auth.token", () => poll.ResponseAsync);
        await upload.RequestStream.WriteAsync(new Protocol.Transfers.Chunk { Data = new(update, 1000, 1000) }, TestContext.Current.CancellationToken);
        await Refusal.ThrowsAsync(StatusCode.Unauthenticated, "auth.token", () => upload.ResponseAsync);
        var anew = new TestSite(aggregator, "north", token);
        Assert.Equal(new UploadState { Offset = 1000 }, await anew.FindAsync(head));
        Assert.True((await anew.StreamAsync(head, update, 1000)).IsAccepted);
    }

    [Fact]
    public async Task A_site_whose_right_was_taken_is_gone_with_its_tasks_and_uploads()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north"), south = await aggregator.AddSiteAsync("south");
        var run = new SmallRun(inputs: SmallRun.LargeInputs);
        await south.JoinAsync();
        await aggregator.CreateRunAsync("run", run, north, south);
        TaskOffer task = await north.TaskAsync();
        using AsyncUnaryCall<NextTaskReply> poll = north.Poll(task.TaskId);
        using AsyncClientStreamingCall<Protocol.Transfers.Chunk, UploadState> upload = north.Uploads.Send(north.Options());
        byte[] update = run.Update();
        await upload.RequestStream.WriteAsync(new Protocol.Transfers.Chunk { Head = SmallRun.HeadOf(task.TaskId, update), Data = new(update, 0, 1 << 20) }, TestContext.Current.CancellationToken);
        await TestAggregator.UntilAsync(() => Task.FromResult(aggregator.HalfUploadsOf("run").Length == 1));
        await aggregator.Admin.ReplaceTokenAsync(new ReplaceTokenRequest { Name = "north", Revoke = true }, aggregator.AsCoordinator());
        await Refusal.ThrowsAsync(StatusCode.Unauthenticated, "auth.token", () => poll.ResponseAsync);
        Assert.Empty(aggregator.HalfUploadsOf("run"));
        await upload.RequestStream.WriteAsync(new Protocol.Transfers.Chunk { Data = new(update, 1 << 20, 1 << 20) }, TestContext.Current.CancellationToken);
        await Refusal.ThrowsAsync(StatusCode.Unauthenticated, "auth.token", () => upload.ResponseAsync);
        SiteStatus status = await aggregator.SiteAsync("north");
        Assert.Equal((false, true, ""), (status.IsConnected, status.IsRevoked, status.Activity));
        await south.StreamAsync(SmallRun.HeadOf((await south.TaskAsync()).TaskId, update), update);
        await aggregator.EndOfAsync("run");
        Assert.Contains("\"client.revoked\"", Assert.Single(await aggregator.ReceiptsAsync("run")), StringComparison.Ordinal);
    }
}
