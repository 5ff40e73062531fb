using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FedCore.Rounds;
using FedCore.Strategies.Statistics;
using FedCore.Training.Data;

namespace FedCore.Simulation.Reporting;

/// <summary>A run as one page that needs nothing beside itself: the curves, who has which examples, who took part, and the run file.</summary>
public static class HtmlReport
{
    private const int MaxClients = 60;
    private const int MaxRounds = 400;
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Writes the page.</summary>
    /// <param name="path">The file, which is overwritten.</param>
    /// <param name="plan">The run.</param>
    /// <param name="result">What it came to.</param>
    /// <param name="data">The clients' examples; of many clients the first are shown.</param>
    public static void Write(string path, RunPlan plan, SimulationResult result, IFederatedData data)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(result);
        ArgumentNullException.ThrowIfNull(data);
        File.WriteAllText(path, Page(plan, result, data));
    }

    private static string Page(RunPlan plan, SimulationResult result, IFederatedData data)
    {
        RunDefinition run = plan.Definition;
        RunState state = result.State;
        var page = new StringBuilder();
        page.Append($$"""
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{{Html.Escape(run.Name)}} · FedCore</title><style>{{Style}}</style></head><body>
            <header><h1>{{Html.Escape(run.Name)}}</h1><p>{{Html.Escape(run.Description ?? "")}}</p>
            {{RunFacts.Draw(plan, result.Definition, data.ClientCount, state)}}</header>
            """);
        var query = run.Strategy as FederatedStatistics;
        page.Append("<section class=\"cards\">");
        foreach ((string name, double value) in result.Metrics.Where(metric => query is null || !ColumnHistogram.Has(metric.Key))) Card(page, name, Html.Number(value));
        Card(page, "rounds", $"{state.Rounds.Count(r => r.Committed)} of {run.Rounds.Count}");
        Card(page, "sent by clients", Html.Bytes(state.Rounds.Sum(r => (double)r.BytesUp) + state.Evaluations.Sum(e => (double)e.BytesUp)));
        Card(page, "sent to clients", Html.Bytes(state.Rounds.Sum(r => (double)r.BytesDown) + state.Evaluations.Sum(e => (double)e.BytesDown)));
        page.Append("</section><main>");
        var panels = new List<(string Title, string Chart, string Legend)>();

        string[] metrics = [.. state.Evaluations.SelectMany(e => e.Metrics.Keys).Concat(state.Rounds.SelectMany(r => r.Metrics.Keys)).Distinct()];
        foreach (ColumnHistogram histogram in query is null ? [] : ColumnHistogram.In(query, result.Metrics)) panels.Add(($"Shares of {histogram.Column}", SvgBarChart.Draw(histogram), ""));
        foreach (IGrouping<string, string> group in query is not null ? [] : metrics.GroupBy(Quantity))
            panels.Add((Title(group.Key), SvgLineChart.Draw([.. group.Select(name => SeriesOf(state, name))], Html.Number), Legend([.. group])));
        foreach (string name in state.Evaluations.SelectMany(e => e.Distributions.Keys).Distinct()) AddDistribution(panels, state, name);
        panels.Add(("Bytes, in total", SvgLineChart.Draw([Cumulative(state, up: true), Cumulative(state, up: false)], Html.Bytes), Legend(["from clients", "to clients"])));
        if (PrivacyFigures.SpentIn(state) is { Count: > 0 } spent) panels.Add(("Epsilon, spent so far", SvgLineChart.Draw(spent, Html.Number), Legend([.. spent.Select(line => line.Name)])));
        AddPartition(panels, plan, data);

        // In two columns an odd number of panels leaves the last one alone: it takes both.
        AddParticipation(panels, state, data, isWide: panels.Count % 2 == 0);
        for (int i = 0; i < panels.Count; i++) AppendPanel(page, panels[i], isWide: i == panels.Count - 1 && i % 2 == 0);
        page.Append("</main><details><summary>Run file, as it was run</summary><pre>");
        page.Append(Html.Escape(JsonNode.Parse(RunFile.Bytes(plan, result.Definition))!.ToJsonString(Indented)));
        return page.Append("</pre></details></body></html>\n").ToString();
    }

    private static void AddDistribution(List<(string Title, string Chart, string Legend)> panels, RunState state, string name)
    {
        Series Line(string title, Func<ClientDistribution, double> figure) => new(
            title, [.. state.Evaluations.Where(e => e.Distributions.ContainsKey(name)).Select(e => ((double)e.Round, figure(e.Distributions[name])))]);
        Series[] lines = [Line("best 10 % of clients", d => d.Best10), Line("median client", d => d.Median), Line("worst 10 % of clients", d => d.Worst10)];
        panels.Add(($"{Title(name)}, from client to client", SvgLineChart.Draw(lines, Html.Number), Legend([.. lines.Select(line => line.Name)])));
    }

    private static void AddPartition(List<(string Title, string Chart, string Legend)> panels, RunPlan plan, IFederatedData data)
    {
        int classes = plan.Model.Label.Classes, clients = (int)Math.Min(MaxClients, data.ClientCount);
        if (classes is 0 or > 100) return;
        int[,] counts = new int[clients, classes];
        for (int client = 0; client < clients; client++)
        {
            ExampleView train = data.Get(client).Train;
            foreach (int row in train.Rows.Span)
                foreach (float label in train.Set.Label(row)) counts[client, (int)label]++;
        }

        string[] names = [.. Enumerable.Range(0, clients).Select(client => data.NameOf(client))];
        IReadOnlyList<string> labels = plan.Definition.Data?.Label.Classes ?? [.. Enumerable.Range(0, classes).Select(c => $"{c}")];
        const string Scale = "<span class=\"key\">none <i class=\"scale\"></i>the client's most frequent class</span><span class=\"key\">each row has a scale of its own</span>";
        panels.Add(("Who has which training examples, by class", SvgHeatMap.DrawAmounts(names, labels, counts), Scale + Shown(clients, data.ClientCount)));
    }

    private static void AddParticipation(List<(string Title, string Chart, string Legend)> panels, RunState state, IFederatedData data, bool isWide)
    {
        RoundReceipt[] rounds = [.. state.Rounds.TakeLast(MaxRounds)];
        if (rounds.Length == 0) return;
        int clients = (int)Math.Min(MaxClients, data.ClientCount);
        string[] names = [.. Enumerable.Range(0, clients).Select(client => data.NameOf(client))];

        // In a buffered run a fast client may answer twice until the buffer is full.
        Dictionary<string, ClientReceipt>[] byName = [.. rounds.Select(round => round.Clients.DistinctBy(client => client.Client).ToDictionary(client => client.Client))];
        ClientReceipt? Find(int client, int round) => byName[round].TryGetValue(names[client], out ClientReceipt found) ? found : null;

        // Of rounds that are too many to be drawn as well: a report counts where its round does.
        Dictionary<string, int> totals = state.Rounds.Where(round => round.Committed).SelectMany(round => round.Clients)
            .Where(client => client.Outcome == ClientOutcome.Reported).CountBy(client => client.Client).ToDictionary();
        string chart = SvgHeatMap.DrawClasses(
            names, [.. rounds.Select(round => round.Round)], isWide,
            (client, round) => Find(client, round) is { } found ? StyleOf(rounds[round], found) : null,
            (client, round) => $"{names[client]}, round {rounds[round].Round}: {Find(client, round)!.Value.Outcome.ToString().ToLowerInvariant()}",
            client => $"{totals.GetValueOrDefault(names[client])}");
        string legend = "<span class=\"key\"><i class=\"reported\"></i>in the sum</span><span class=\"key\"><i class=\"late\"></i>late</span>"
            + "<span class=\"key\"><i class=\"gone\"></i>lost, declined or refused</span><span class=\"key\"><i class=\"void\"></i>round abandoned</span>";
        string last = rounds.Length < state.Rounds.Count ? $"<span class=\"key\">the last {rounds.Length} of {state.Rounds.Count:N0} rounds; the totals are over all</span>" : "";
        panels.Add(("Who took part", chart, legend + last + Shown(clients, data.ClientCount)));
    }

    private static string StyleOf(RoundReceipt round, ClientReceipt client) => client.Outcome switch
    {
        ClientOutcome.Reported => round.Committed ? "reported" : "void",
        ClientOutcome.Late => "late",
        _ => "gone",
    };

    private static Series SeriesOf(RunState state, string metric)
    {
        IEnumerable<(double X, double Y)> evaluated = state.Evaluations.Where(e => e.Metrics.ContainsKey(metric)).Select(e => ((double)e.Round, e.Metrics[metric]));
        IEnumerable<(double X, double Y)> trained = state.Rounds.Where(r => r.Metrics.ContainsKey(metric)).Select(r => ((double)r.Round, r.Metrics[metric]));
        return new Series(metric, [.. evaluated.Concat(trained)]);
    }

    private static Series Cumulative(RunState state, bool up)
    {
        var points = new List<(double, double)>();
        Dictionary<int, EvaluationReceipt> evaluations = state.Evaluations.ToDictionary(e => e.Round);
        double sum = 0;
        foreach (RoundReceipt round in state.Rounds)
        {
            EvaluationReceipt? evaluation = evaluations.GetValueOrDefault(round.Round);
            sum += up ? round.BytesUp + (evaluation?.BytesUp ?? 0) : round.BytesDown + (evaluation?.BytesDown ?? 0);
            points.Add((round.Round, sum));
        }

        return new Series(up ? "from clients" : "to clients", points);
    }

    // trainLoss and localLoss belong into one chart with loss.
    private static string Quantity(string metric)
    {
        foreach (string prefix in (string[])["train", "local"])
        {
            if (metric.StartsWith(prefix, StringComparison.Ordinal) && metric.Length > prefix.Length)
                return char.ToLowerInvariant(metric[prefix.Length]) + metric[(prefix.Length + 1)..];
        }

        return metric;
    }

    private static string Title(string quantity) => char.ToUpperInvariant(quantity[0]) + quantity[1..];

    internal static string Legend(IReadOnlyList<string> names) => string.Concat(
        names.Select((name, i) => $"<span class=\"key\"><i class=\"s{i}\"></i>{Html.Escape(name)}</span>"));

    private static string Shown(long shown, long all) => shown < all ? $"<span class=\"key\">the first {shown} of {all:N0} clients</span>" : "";

    private static void Card(StringBuilder page, string name, string value) =>
        page.Append($"<div class=\"card\"><b>{Html.Escape(value)}</b><span>{Html.Escape(name)}</span></div>");

    private static void AppendPanel(StringBuilder page, (string Title, string Chart, string Legend) panel, bool isWide) => page.Append(
        $"<section class=\"panel{(isWide ? " wide" : "")}\"><h2>{Html.Escape(panel.Title)}</h2><div class=\"chart\">{panel.Chart}</div><p class=\"legend\">{panel.Legend}</p></section>");

    internal const string Style = """
        :root{--bg:#f6f7f9;--fg:#1c2430;--dim:#667085;--panel:#fff;--line:#e3e7ee;--s0:#1f6feb;--s1:#e8590c;--s2:#2b8a3e;--s3:#9c36b5;--late:#e8a33d;--gone:#d6455d;--void:#adb5bd}
        @media (prefers-color-scheme:dark){:root{--bg:#12161c;--fg:#e6eaf0;--dim:#93a0b4;--panel:#1a2029;--line:#2a323e;--s0:#58a6ff;--s1:#ff922b;--s2:#51cf66;--s3:#da77f2;--void:#5c6773}}
        *{box-sizing:border-box}body{margin:0 auto;max-width:1240px;padding:24px;background:var(--bg);color:var(--fg);font:15px/1.45 system-ui,sans-serif}
        h1{margin:0;font-size:26px}h2{margin:0 0 8px;font-size:15px;font-weight:600}header p{margin:4px 0;color:var(--dim)}.facts{display:grid;grid-template-columns:max-content 1fr;gap:2px 14px;margin:8px 0 0;font-size:13px}
        .facts dt{color:var(--dim)}.facts dd{margin:0;overflow-wrap:anywhere}
        .cards{display:flex;flex-wrap:wrap;gap:12px;margin:18px 0}.card{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:10px 16px;min-width:120px}
        .card b{display:block;font-size:21px}.card span{color:var(--dim);font-size:13px}
        main{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:14px}
        .panel{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:14px;min-width:0}svg{width:100%;height:auto;display:block}
        @media (min-width:1030px){.wide{grid-column:1/-1}}.wide .chart{overflow-x:auto}.wide svg{min-width:760px}
        svg text{font:11px system-ui,sans-serif;fill:var(--dim)}.grid{stroke:var(--line)}.line{fill:none;stroke-width:1.8}
        path.s0{stroke:var(--s0)}path.s1{stroke:var(--s1)}path.s2{stroke:var(--s2)}path.s3{stroke:var(--s3)}
        .dot.s0,i.s0{fill:var(--s0);background:var(--s0)}.dot.s1,i.s1{fill:var(--s1);background:var(--s1)}.dot.s2,i.s2{fill:var(--s2);background:var(--s2)}.dot.s3,i.s3{fill:var(--s3);background:var(--s3)}
        .heat,.reported,i.reported{fill:var(--s0);background:var(--s0)}.late,i.late{fill:var(--late);background:var(--late)}.gone,i.gone{fill:var(--gone);background:var(--gone)}.void,i.void{fill:var(--void);background:var(--void)}
        .legend{margin:6px 0 0;color:var(--dim);font-size:12px}.key{margin-right:14px;white-space:nowrap}.key i{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:5px}
        .key i.scale{width:70px;margin:0 5px;background:linear-gradient(to right,transparent,var(--s0));border:1px solid var(--line)}
        details{margin-top:18px}pre{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:14px;overflow:auto;font-size:12px}
        """;
}
