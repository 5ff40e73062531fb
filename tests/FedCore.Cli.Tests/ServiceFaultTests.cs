using FedCore.Tests;

namespace FedCore.Cli.Tests;

/// <summary>What is answered to settings and addresses of the service that are not as they must be.</summary>
public class ServiceFaultTests
{
    [Theory]
    [InlineData("listen=[\"http://0.0.0.0:0\"]", "which other machines reach without TLS")]
    [InlineData("listen=[\"https://127.0.0.1:0\"]", "there is no certificate. Set aggregator.certificate.path")]
    [InlineData("listen=[\"127.0.0.1\"]", "Give an address such as")]
    [InlineData("listen=[\"http://host.example:1\"]", "Give the IP address to listen on")]
    [InlineData("liesten=1", "Did you mean \"listen\"?")]
    [InlineData("pollSeconds=0", "pollSeconds")]
    public async Task Settings_of_an_aggregator_are_refused_with_the_remedy(string assignment, string message)
    {
        using var folder = new TemporaryFolder();
        Fedcore.Outcome outcome = await Fedcore.RunAsync("aggregator", "--set", assignment, "--set", $"dataFolder={folder["data"]}");
        Assert.Equal(3, outcome.Code);
        Assert.Contains(message, outcome.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(4, "cannot be reached", "http://127.0.0.1:1")]
    [InlineData(2, "is no address of an aggregator", "127.0.0.1")]
    [InlineData(3, "is reached without TLS", "http://host.example")]
    public async Task An_aggregator_that_cannot_be_asked_is_named(int code, string message, string address)
    {
        using var folder = new TemporaryFolder();
        string token = folder.File("coordinator.token", "secret");
        Fedcore.Outcome outcome = await Fedcore.RunAsync("run", "list", "--aggregator", address, "--token-file", token);
        Assert.Equal(code, outcome.Code);
        Assert.Contains(message, outcome.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("two\nlines")]
    [InlineData("\0\u0001\u00ff")]
    [InlineData(" \n")]
    public async Task A_file_that_holds_no_token_is_named_with_its_option(string content)
    {
        using var folder = new TemporaryFolder();
        Fedcore.Outcome outcome = await Fedcore.RunAsync("run", "list", "--aggregator", "http://127.0.0.1:1", "--token-file", folder.File("token", content));
        Assert.Equal(3, outcome.Code);
        Assert.Contains("--token-file is", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("holds no token", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_reached_is_said_once()
    {
        using var folder = new TemporaryFolder();
        Fedcore.Outcome outcome = await Fedcore.RunAsync("run", "list", "--aggregator", "http://127.0.0.1:1", "--token-file", folder.File("token", "secret"));
        Assert.Single(outcome.Error.Split("cannot be reached")[1..]);
        Assert.DoesNotContain("..", outcome.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(". .", outcome.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(",")]
    [InlineData("")]
    public async Task A_list_of_no_sites_is_refused(string sites)
    {
        using var folder = new TemporaryFolder();
        Fedcore.Outcome outcome = await Fedcore.RunAsync("run", "create", Fedcore.Hospitals, "--sites", sites, "--aggregator", "http://127.0.0.1:1", "--token-file", folder.File("token", "secret"));
        Assert.Equal(2, outcome.Code);
        Assert.Contains("--sites", outcome.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("run", "create", "run.json", "--seed", "99999999999999999999", "9223372036854775807")]
    [InlineData("run", "receipt", "heart", "--round", "3000000000", "2147483647")]
    public async Task A_number_that_is_too_large_is_answered_with_the_limit(string noun, string verb, string argument, string option, string number, string limit)
    {
        Fedcore.Outcome outcome = await Fedcore.RunAsync(noun, verb, argument, option, number);
        Assert.Equal(2, outcome.Code);
        Assert.Contains($"{option} is '{number}'", outcome.Error, StringComparison.Ordinal);
        Assert.Contains(limit, outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_without_settings_is_told_how_to_name_them()
    {
        using var folder = new TemporaryFolder();
        (int code, _, string error) = await CommandProcess.RunAsync(folder.Path, "client");
        Assert.Equal(3, code);
        Assert.Contains("appsettings.json is not there", error, StringComparison.Ordinal);
        Assert.Contains("--settings", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_a_simulation_is_told_of_resume()
    {
        using var folder = new TemporaryFolder();
        Fedcore.Outcome outcome = await Fedcore.RunAsync("aggregator", "--set", $"dataFolder={folder.File("file", "")}", "--set", "listen=[\"http://127.0.0.1:0\"]");
        Assert.Equal(3, outcome.Code);
        Assert.DoesNotContain("--resume", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_that_is_not_there_is_named()
    {
        using var folder = new TemporaryFolder();
        Fedcore.Outcome outcome = await Fedcore.RunAsync(
            "site", "list", "--aggregator", "https://127.0.0.1:1", "--token-file", folder.File("coordinator.token", "secret"), "--certificate", folder["ca.pem"]);
        Assert.Equal(3, outcome.Code);
        Assert.Contains("ca.pem, which cannot be read", outcome.Error, StringComparison.Ordinal);
    }
}
