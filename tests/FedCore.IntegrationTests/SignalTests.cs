using FedCore.Tests;

namespace FedCore.IntegrationTests;

/// <summary>What ends an aggregator that nobody kills.</summary>
public sealed class SignalTests : IDisposable
{
    private const int EndedBySigterm = 128 + 15;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_command_ends_well()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "There are no signals on Windows.");
        using Child aggregator = Child.Fedcore(_folder.Path, null, "aggregator", "--set", """listen=["http://127.0.0.1:0"]""");
        await aggregator.WaitForAsync("serving");
        Assert.Equal(0, await aggregator.TerminateAsync());
    }

    [Fact]
    public async Task A_program_that_an_aggregator_is_a_part_of_ends_as_it_would_without_it()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "There are no signals on Windows.");
        using Child program = await Child.AggregatorAsync(_folder.Path, "http://127.0.0.1:0", []);
        Assert.Equal(EndedBySigterm, await program.TerminateAsync());
    }
}
