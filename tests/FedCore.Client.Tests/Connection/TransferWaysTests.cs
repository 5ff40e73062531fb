using FedCore.Client.Connection;
using FedCore.Client.Tests.Fakes;
using FedCore.Tests;

namespace FedCore.Client.Tests.Connection;

/// <summary>Which way long things go, by what became of those before.</summary>
public class TransferWaysTests
{
    private readonly Transfers _http1 = new(null!, null!), _http2 = new(null!, null!);

    [Fact]
    public void Http1_is_tried_first_and_kept_where_it_works()
    {
        TransferWays ways = New();
        Assert.Same(_http1, ways.Next);
        ways.Worked(_http1);
        Assert.Same(_http1, ways.Next);
    }

    [Fact]
    public void Where_http1_has_never_worked_one_failure_is_enough()
    {
        TransferWays ways = New();
        ways.Failed(_http1);
        Assert.Same(_http2, ways.Next);
        ways.Worked(_http2);
        Assert.Same(_http2, ways.Next);
    }

    [Fact]
    public void Where_http1_has_worked_a_line_that_is_cut_twice_changes_nothing()
    {
        TransferWays ways = New();
        for (int i = 0; i < 3; i++)
        {
            ways.Worked(_http1);
            ways.Failed(_http1);
            ways.Failed(_http1);
            Assert.Same(_http1, ways.Next);
        }

        ways.Failed(_http1);
        Assert.Same(_http2, ways.Next);
    }

    [Fact]
    public void Where_both_fail_they_take_turns()
    {
        TransferWays ways = New();
        ways.Failed(_http1);
        ways.Failed(_http2);
        Assert.Same(_http1, ways.Next);
        ways.Failed(_http1);
        Assert.Same(_http2, ways.Next);
    }

    [Fact]
    public void Several_failures_of_one_way_that_come_together_count_for_that_way()
    {
        TransferWays ways = New();
        ways.Failed(_http1);
        ways.Failed(_http1);
        Assert.Same(_http2, ways.Next);
    }

    [Fact]
    public void Http1_has_one_more_chance_every_hour()
    {
        var clock = new HandClock();
        var log = new LogLines();
        var ways = new TransferWays("Models", _http1, _http2, clock, log);
        ways.Worked(_http1);
        for (int i = 0; i < 3; i++) ways.Failed(_http1);
        for (int hour = 0; hour < 3; hour++)
        {
            Assert.Same(_http2, ways.Next);
            ways.Worked(_http2);
            clock.Move(TransferWays.Again - TimeSpan.FromSeconds(1));
            Assert.Same(_http2, ways.Next);
            clock.Move(TimeSpan.FromSeconds(1));
            Assert.Same(_http1, ways.Next);
            ways.Failed(_http1);
        }

        clock.Move(TransferWays.Again);
        ways.Worked(_http1);
        ways.Failed(_http1);
        Assert.Same(_http1, ways.Next);
        Assert.Equal(["Models go over HTTP/2 from now on", "Models go over HTTP/1.1 from now on"], log.All.Select(line => line.Text));
    }

    [Fact]
    public void Where_there_is_one_way_nothing_is_said_of_another()
    {
        var log = new LogLines();
        var ways = new TransferWays("Models", _http1, _http1, TimeProvider.System, log);
        ways.Failed(_http1);
        Assert.Same(_http1, ways.Next);
        Assert.Empty(log.All);
    }

    private TransferWays New() => new("Models", _http1, _http2, TimeProvider.System, new LogLines());
}
