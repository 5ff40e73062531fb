namespace FedCore.Cli.Tests.Service;

/// <summary>What operators see of a run that the service has held.</summary>
public sealed class TelemetryTests(PlugInRun run) : IClassFixture<PlugInRun>
{
    [Fact]
    public void A_run_with_the_strategy_of_an_installed_plug_in_is_held_to_its_end()
    {
        Assert.True(run.Outcome.Code == 0, run.Outcome.Error + run.Outcome.Output);
        Assert.Equal("completed", run.Outcome.Json.GetProperty("phase").GetString());
    }

    [Fact]
    public void Metrics_are_in_the_text_format_of_Prometheus()
    {
        Assert.Equal(("text/plain", "version=0.0.4"), (run.MetricsType.MediaType, run.MetricsType.Parameters.First().ToString()));
        PrometheusText text = PrometheusText.Parse(run.Metrics);
        Assert.All(text.Families.Where(family => family.Key.StartsWith("fedcore", StringComparison.Ordinal)), family =>
        {
            Assert.NotNull(family.Value.Help);
            Assert.Equal(family.Value.Type == "counter", family.Key.EndsWith("_total", StringComparison.Ordinal));
        });
    }

    [Fact]
    public void Metrics_tell_what_the_service_has_done()
    {
        PrometheusText text = PrometheusText.Parse(run.Metrics);
        Assert.Equal(PlugInRun.Rounds, text["fedcore_rounds_total", "fedcore_run=\"fever\"", "fedcore_outcome=\"committed\""]);
        Assert.Equal(PlugInRun.Rounds, text["fedcore_round_duration_seconds_count", "fedcore_run=\"fever\""]);
        Assert.Equal(PlugInRun.Rounds, text["fedcore_round_duration_seconds_bucket", "le=\"60\""]);
        Assert.Equal(PlugInRun.Rounds * PlugInRun.Sites, text["fedcore_replies_total", "fedcore_outcome=\"reported\""]);
        Assert.InRange(text["fedcore_updates_accepted_total", "fedcore_run=\"fever\""], PlugInRun.Rounds * PlugInRun.Sites, 1000);
        Assert.InRange(text["fedcore_updates_received_bytes_total"], PlugInRun.Rounds * PlugInRun.Sites * 16, 1e6);
        Assert.InRange(text["fedcore_blobs_sent_bytes_total"], 16, 1e6);
        Assert.Equal(PlugInRun.Sites, text["fedcore_sites"]);
        Assert.Equal(PlugInRun.Sites, text["fedcore_sites_connected"]);
        Assert.Equal((1, 0), (text["fedcore_runs", "fedcore_run_phase=\"completed\""], text["fedcore_runs", "fedcore_run_phase=\"running\""]));
        Assert.Equal(0, text["fedcore_tasks_open"]);
        Assert.InRange(text["fedcore_spool_size_bytes"], 0, 1e9);
        Assert.InRange(text["fedcore_disk_free_bytes"], 1, 1e18);
        Assert.InRange(text["fedcore_journal_events_total"], text["fedcore_journal_commits_total"], 1e6);
        Assert.InRange(text["fedcore_disk_syncs_total"], 1, 1e6);
        Assert.InRange(text["dotnet_process_memory_working_set_bytes"], 1, 1e12);
    }

    [Fact]
    public void Metrics_reach_a_collector_from_aggregator_and_clients()
    {
        Assert.Empty(run.Collector.Faults);
        Assert.Superset(new HashSet<string> { "fedcore-aggregator", "fedcore-client" }, run.Collector.Services.ToHashSet());
        Assert.Superset(new HashSet<string> { "fedcore.rounds", "fedcore.round.duration", "fedcore.sites.connected", "fedcore.client.task.duration", "fedcore.client.upload.size", "fedcore.client.joined", "fedcore.client.outbox.updates" }, run.Collector.Metrics.ToHashSet());
    }

    // The listeners of one process hear of all its activities, so each comes more than once.
    [Fact]
    public void Activities_of_a_round_are_one_trace_through_aggregator_and_sites()
    {
        Collector.Span[] spans = [.. run.Collector.Spans.DistinctBy(span => span.Id)];
        Collector.Span[] rounds = [.. spans.Where(span => span.Name == "fedcore.round")];
        Assert.Equal(["1", "2"], rounds.Select(round => round.Tags["fedcore.round"]).Order());
        foreach (Collector.Span round in rounds)
        {
            Assert.Equal(("", "fever", "committed"), (round.Parent, round.Tags["fedcore.run"], round.Tags["fedcore.outcome"]));
            Collector.Span[] tasks = [.. Below(round, "fedcore.task").Where(task => task.Tags["fedcore.task.kind"] == "train")];
            Assert.Equal(["site-1", "site-2"], tasks.Select(task => task.Tags["fedcore.site"]).Order());
            foreach (Collector.Span task in tasks)
            {
                Collector.Span work = Assert.Single(Below(task, "fedcore.client.task"));
                Assert.Equal((task.Tags["fedcore.site"], "finished"), (work.Tags["fedcore.site"], work.Tags["fedcore.outcome"]));
                Assert.Single(Below(work, "fedcore.client.train"));
                Collector.Span upload = Assert.Single(Below(Assert.Single(Below(work, "fedcore.client.upload")), "fedcore.upload"));
                Assert.Equal((task.Tags["fedcore.site"], "accepted", round.Trace), (upload.Tags["fedcore.site"], upload.Tags["fedcore.outcome"], upload.Trace));
            }
        }

        IEnumerable<Collector.Span> Below(Collector.Span parent, string name) => spans.Where(span => span.Parent == parent.Id && span.Name == name);
    }
}
