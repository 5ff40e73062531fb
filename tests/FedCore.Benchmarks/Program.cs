using FedCore;
using FedCore.Benchmarks;
using FedCore.Benchmarks.Service;
using FedCore.Benchmarks.Suites;

// The suite "service" starts this program again in other roles.
if (args is [AggregatorRole.Argument, .. var settings]) return await AggregatorRole.RunAsync(settings);
if (args is [SiteRole.Argument]) return await SiteRole.RunAsync();

var suites = new Dictionary<string, Action<Figures>>(StringComparer.Ordinal)
{
    ["engine"] = EngineSuite.Run,
    ["layers"] = LayersSuite.Run,
    ["simulation"] = SimulationSuite.Run,
    ["aggregation"] = AggregationSuite.Run,
    ["robust"] = RobustSuite.Run,
    ["compression"] = CompressionSuite.Run,
    ["population"] = PopulationSuite.Run,
    ["spool"] = SpoolSuite.Run,
    ["secagg"] = SecureAggregationSuite.Run,
    ["privacy"] = PrivacySuite.Run,
    [ServiceSuite.Name] = ServiceSuite.Run,
};

string[] names = [.. args.Where(arg => !arg.StartsWith('-'))];
if (names.Length == 0 || names.Any(name => name != "all" && !suites.ContainsKey(name)))
{
    Console.Error.WriteLine($"usage: FedCore.Benchmarks SUITE... [--json]   suites: all, {string.Join(", ", suites.Keys)}");
    return 2;
}

var figures = new Figures(args.Contains("--json"));
try
{
    foreach (string name in names.Contains("all") ? [.. suites.Keys] : names) suites[name](figures);
    return 0;
}
catch (FedCoreException fault)
{
    Console.Error.WriteLine(fault.Message);
    return 3;
}
