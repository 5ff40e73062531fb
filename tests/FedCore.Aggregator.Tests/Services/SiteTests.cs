using System.Security.Cryptography;
using FedCore.Aggregator.Fleet;
using FedCore.Aggregator.Sites;
using FedCore.Tests;

namespace FedCore.Aggregator.Tests.Services;

public class SiteTests
{
    private static readonly string Client = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    private readonly ShiftedClock _clock = new();
    private readonly Site _site;
    private int _changes;

    public SiteTests() => _site = new Site("north", "hash", _clock, TimeSpan.FromSeconds(60), () => _changes++);

    [Fact]
    public async Task A_client_that_was_started_anew_stays_when_its_old_call_is_found_broken_late()
    {
        _site.Admit(Client, 1, "process 1");
        using var broken = new CancellationTokenSource();
        Task<RemoteTask?> old = _site.NextAsync([], TimeSpan.FromSeconds(50), broken.Token);

        // What is registered last is called first: the new start comes when the old call is broken and does not know it yet.
        using CancellationTokenRegistration restart = broken.Token.Register(() => Assert.Null(_site.Admit(Client, 2, "process 2")));
        await broken.CancelAsync();
        Assert.Null(await old);
        Assert.True(_site.IsPresent);
        Assert.NotNull(_site.Admit("another", 1, "process 1"));
    }

    [Fact]
    public async Task Who_hangs_up_with_nothing_to_do_is_gone()
    {
        _site.Admit(Client, 1, "process 1");
        using var broken = new CancellationTokenSource();
        Task<RemoteTask?> call = _site.NextAsync([], TimeSpan.FromSeconds(50), broken.Token);
        Assert.Equal((true, 1), (_site.IsPresent, _changes));
        await broken.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        Assert.Equal((false, 2), (_site.IsPresent, _changes));
        Assert.Null(_site.Admit("another", 1, "process 1"));
    }

    [Fact]
    public async Task A_site_whose_right_was_taken_is_gone_at_once()
    {
        _site.Admit(Client, 1, "process 1");
        Task<RemoteTask?> call = _site.NextAsync([], TimeSpan.FromSeconds(50), TestContext.Current.CancellationToken);
        _site.Dismiss();
        Assert.Null(await call);
        Assert.False(_site.IsPresent);
    }

    [Fact]
    public async Task A_call_that_is_not_to_wait_is_answered_without_a_clock()
    {
        _site.Admit(Client, 1, "process 1");
        Assert.Null(await _site.NextAsync([], TimeSpan.Zero, TestContext.Current.CancellationToken));
        _clock.Pass(TimeSpan.FromSeconds(60));
        Assert.False(_site.IsPresent);
    }

    [Fact]
    public async Task A_call_is_over_when_it_has_waited_and_not_before()
    {
        _site.Admit(Client, 1, "process 1");
        Task<RemoteTask?> call = _site.NextAsync([], TimeSpan.FromSeconds(50), TestContext.Current.CancellationToken);
        _site.EndPoll(_clock.GetTimestamp() + 49 * _clock.TimestampFrequency);
        Assert.False(call.IsCompleted);
        _site.EndPoll(_clock.GetTimestamp() + 51 * _clock.TimestampFrequency);
        Assert.Null(await call);
        Assert.True(_site.IsPresent);
    }
}
