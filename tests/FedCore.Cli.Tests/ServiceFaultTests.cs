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
