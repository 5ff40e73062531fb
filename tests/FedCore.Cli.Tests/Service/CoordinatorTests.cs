using System.Net;
using System.Net.Sockets;
using FedCore.Aggregator.Hosting;
using FedCore.Aggregator.Settings;
using FedCore.Naming;
using FedCore.Tests;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace FedCore.Cli.Tests.Service;

/// <summary>What a coordinator's commands do beside what the documentation shows.</summary>
public sealed class CoordinatorTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_join_token_goes_into_a_new_file_of_ones_own_and_over_no_other()
    {
        await using AggregatorServer server = await StartAsync();
        string file = _folder["join.token"];
        Assert.DoesNotContain(await TokenOfAsync(server, file), (await File.ReadAllTextAsync(_folder["output"], TestContext.Current.CancellationToken)), StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        string token = await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken);
        Fedcore.Outcome again = await AskAsync(server, "site", "add", "hungary", "--out", file);
        Assert.Equal(3, again.Code);
        Assert.Contains("join.token is there already", again.Error, StringComparison.Ordinal);
        Assert.Equal(token, await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
        Assert.DoesNotContain("hungary", (await AskAsync(server, "site", "list")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_new_token_goes_into_a_file_too_and_none_where_none_is_given()
    {
        await using AggregatorServer server = await StartAsync();
        string first = (await AskAsync(server, "site", "add", "cleveland")).Output.Trim(), file = _folder["join.token"];
        Assert.Equal(0, (await AskAsync(server, "site", "token", "cleveland", "--out", file)).Code);
        string second = (await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken)).Trim();
        Assert.Equal(first.Length, second.Length);
        Assert.NotEqual(first, second);
        Fedcore.Outcome both = await AskAsync(server, "site", "token", "cleveland", "--revoke", "--out", _folder["none.token"]);
        Assert.Equal(2, both.Code);
        Assert.Contains("Give one of the two", both.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder["none.token"]));
        Assert.Contains("can no longer join", (await AskAsync(server, "site", "token", "cleveland", "--revoke")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_site_that_is_not_added_leaves_no_file()
    {
        await using AggregatorServer server = await StartAsync();
        Assert.Equal(3, (await AskAsync(server, "site", "add", "no name", "--out", _folder["join.token"])).Code);
        Assert.False(File.Exists(_folder["join.token"]));
    }

    [Fact]
    public async Task A_token_that_is_not_known_is_called_the_coordinators()
    {
        await using AggregatorServer server = await StartAsync();
        Fedcore.Outcome outcome = await Fedcore.RunAsync("run", "list", "--aggregator", server.Addresses[0], "--token-file", _folder.File("other", "secret"));
        Assert.Equal(3, outcome.Code);
        Assert.Contains("--token-file", outcome.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("site's token", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_receipt_of_a_round_that_did_not_end_is_a_fault()
    {
        await using AggregatorServer server = await StartAsync();
        await AskAsync(server, "site", "add", "cleveland");
        Assert.Equal(0, (await AskAsync(server, "run", "create", Fedcore.Hospitals, "--name", "heart")).Code);
        Fedcore.Outcome outcome = await AskAsync(server, "run", "receipt", "heart", "--round", "99");
        Assert.Equal((3, ""), (outcome.Code, outcome.Output));
        Assert.Contains("no receipt of round 99", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_is_not_written_over_a_folder()
    {
        Fedcore.Outcome outcome = await Fedcore.RunAsync("model", "get", "heart", "--out", _folder.Path, "--aggregator", "http://127.0.0.1:1", "--token-file", _folder.File("token", "secret"));
        Assert.Equal(3, outcome.Code);
        Assert.Contains("which is a folder", outcome.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder.Path + ".partial"));
    }

    [Fact]
    public async Task An_address_of_another_port_is_answered_with_what_to_change()
    {
        await using AggregatorServer server = await StartAsync();
        Fedcore.Outcome tls = await AskAsync(server.Addresses[0].Replace("http:", "https:", StringComparison.Ordinal), "run", "list");
        Assert.Equal(3, tls.Code);
        Assert.Contains("speaks no TLS", tls.Error, StringComparison.Ordinal);
        await using WebApplication old = await StartHttp1Async();
        Fedcore.Outcome http1 = await AskAsync(old.Urls.Single(), "run", "list");

        // Such a server answers and resets the connection. Where the reset is seen first nothing says what it speaks, and the call may be made again.
        for (int again = 0; again < 10 && http1.Code == 4; again++) http1 = await AskAsync(old.Urls.Single(), "run", "list");
        Assert.Equal(3, http1.Code);
        Assert.Contains("speaks HTTP/1.1 alone", http1.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_watch_that_begins_while_the_aggregator_is_away_waits_for_it()
    {
        int port = FreePort();
        await using (AggregatorServer first = await StartAsync(port))
        {
            await AskAsync(first, "site", "add", "cleveland");
            Assert.Equal(0, (await AskAsync(first, "run", "create", Fedcore.Hospitals, "--name", "heart")).Code);
        }

        Task<Fedcore.Outcome> watch = AskAsync($"http://127.0.0.1:{port}", "run", "watch", "heart");
        await using AggregatorServer second = await StartAsync(port);
        Assert.Equal(0, (await AskAsync(second, "run", "cancel", "heart")).Code);
        Fedcore.Outcome outcome = await watch;
        Assert.Equal(5, outcome.Code);
        Assert.Contains("cancelled", outcome.Output, StringComparison.Ordinal);
    }

    private static async Task<WebApplication> StartHttp1Async()
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1));
        WebApplication app = builder.Build();
        await app.StartAsync(TestContext.Current.CancellationToken);
        return app;
    }

    private async Task<string> TokenOfAsync(AggregatorServer server, string file)
    {
        Fedcore.Outcome outcome = await AskAsync(server, "site", "add", "cleveland", "--out", file);
        Assert.True(outcome.Code == 0, outcome.Error);
        _folder.File("output", outcome.Output);
        return (await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken)).Trim();
    }

    private Task<AggregatorServer> StartAsync(int port = 0) => AggregatorServer.StartAsync(
        new AggregatorSettings { DataFolder = _folder["data"], Listen = [$"http://127.0.0.1:{port}"] }, Registry.CreateDefault(), ct: TestContext.Current.CancellationToken);

    private Task<Fedcore.Outcome> AskAsync(AggregatorServer server, params string[] args) => AskAsync(server.Addresses[0], args);

    private Task<Fedcore.Outcome> AskAsync(string address, params string[] args) =>
        Fedcore.RunAsync([.. args, "--aggregator", address, "--token-file", Path.Combine(_folder["data"], "coordinator.token")]);

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
