using System.Globalization;
using System.Text.RegularExpressions;

namespace FedCore.Cli.Tests.Service;

/// <summary>
/// Prometheus' text format, version 0.0.4, read strictly: see "Exposition formats" in Prometheus' documentation. A name's lines stand together, HELP and TYPE before its
/// samples and once; a sample's name and labels occur once; a histogram's buckets grow and end with the count of all.
/// </summary>
internal sealed partial class PrometheusText
{
    private readonly Dictionary<string, (string Type, string? Help)> _families = [];
    private readonly Dictionary<string, double> _samples = [];

    private PrometheusText()
    {
    }

    /// <summary>The names of what is measured, with the types.</summary>
    public IReadOnlyDictionary<string, (string Type, string? Help)> Families => _families;

    /// <summary>The value of a sample that is written so, or with further labels before and behind.</summary>
    public double this[string name, params string[] labels] => Assert.Single(
        _samples, sample => (sample.Key == name || sample.Key.StartsWith(name + "{", StringComparison.Ordinal)) && labels.All(label => sample.Key.Contains(label, StringComparison.Ordinal))).Value;

    public static PrometheusText Parse(string text)
    {
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        var parsed = new PrometheusText();
        string current = "";
        foreach (string line in text.TrimEnd('\n').Split('\n'))
        {
            if (line.Length == 0) continue;
            if (Comment().Match(line) is { Success: true } comment) current = parsed.Describe(comment.Groups[1].Value, comment.Groups[2].Value, comment.Groups[3].Value, current);
            else if (!line.StartsWith('#')) parsed.Add(line, current);
            else Assert.False(line.StartsWith("# HELP", StringComparison.Ordinal) || line.StartsWith("# TYPE", StringComparison.Ordinal), line);
        }

        foreach ((string name, (string type, _)) in parsed._families)
            if (type == "histogram") parsed.CheckHistogram(name);
        return parsed;
    }

    private string Describe(string what, string name, string value, string current)
    {
        bool isNew = !_families.TryGetValue(name, out (string Type, string? Help) family);
        Assert.True(isNew || name == current, $"{name} stands in two places.");
        if (what == "TYPE")
        {
            Assert.Contains(value, (string[])["counter", "gauge", "histogram", "summary", "untyped"]);
            Assert.True(isNew || family.Type == "", $"{name} has two types.");
            _families[name] = (value, family.Help);
        }
        else
        {
            Assert.True(family.Help is null, $"{name} is described twice.");
            Assert.Matches(@"^([^\\]|\\\\|\\n)*$", value);
            _families[name] = (family.Type ?? "", value);
        }

        return name;
    }

    private void Add(string line, string current)
    {
        Match sample = Sample().Match(line);
        Assert.True(sample.Success, line);
        string name = sample.Groups["name"].Value;
        string type = _families[current].Type;
        string[] allowed = type == "histogram" ? [current + "_bucket", current + "_sum", current + "_count"] : [current];
        Assert.True(allowed.Contains(name), $"{line}: stands below {current}.");
        string[] labels = [.. sample.Groups["label"].Captures.Select(capture => capture.Value)];
        Assert.Equal(labels, labels.Distinct());
        double value = Number(sample.Groups["value"].Value);
        if (type is "counter" or "histogram") Assert.True(value >= 0, line);
        Assert.True(_samples.TryAdd(name + sample.Groups["labels"].Value, value), $"{line}: is there twice.");
    }

    private void CheckHistogram(string name)
    {
        var series = _samples.Where(sample => sample.Key.StartsWith(name + "_bucket{", StringComparison.Ordinal)).ToLookup(sample => Bound().Replace(sample.Key, ""), sample => (Bound: Number(Bound().Match(sample.Key).Groups[1].Value), sample.Value));
        Assert.NotEmpty(series);
        foreach (var buckets in series)
        {
            Assert.Equal(buckets.OrderBy(bucket => bucket.Bound), buckets);
            Assert.Equal(buckets.Select(bucket => bucket.Value).Order(), buckets.Select(bucket => bucket.Value));
            string rest = buckets.Key[$"{name}_bucket".Length..].Replace(",}", "}", StringComparison.Ordinal).Replace("{}", "", StringComparison.Ordinal);
            Assert.Equal((double.PositiveInfinity, _samples[$"{name}_count{rest}"]), buckets.Last());
            Assert.Contains($"{name}_sum{rest}", _samples.Keys);
        }
    }

    private static double Number(string text) => text switch
    {
        "+Inf" => double.PositiveInfinity,
        "-Inf" => double.NegativeInfinity,
        _ => double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture),
    };

    [GeneratedRegex(@"^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$")]
    private static partial Regex Comment();

    [GeneratedRegex("""^(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?<labels>\{(?:(?<label>[a-zA-Z_][a-zA-Z0-9_]*)="(?:[^"\\]|\\\\|\\"|\\n)*"(?:,(?=[^}])|(?=\})))*\})? (?<value>[^ ]+)(?: -?[0-9]+)?$""")]
    private static partial Regex Sample();

    [GeneratedRegex("""le="([^"]*)",?""")]
    private static partial Regex Bound();
}
