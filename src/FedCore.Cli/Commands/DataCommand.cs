using System.CommandLine;
using System.Text.Json;
using FedCore.Training.Data.Datasets;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore data</c>: the public data sets that FedCore knows.</summary>
internal static class DataCommand
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var list = new Command("list", "Lists the public data sets, and where they are on this machine.") { json };
        list.SetAction(parsed => List(output, parsed.GetValue(json)));

        var name = new Argument<string>("NAME") { Description = "The data set, such as mnist." };
        var get = new ExampleCommand(
            "get",
            "Fetches a public data set from its origin into the user's data folder, and checks it.",
            "fedcore data get heart-disease")
        {
            name, json,
        };
        get.SetAction((parsed, ct) => GetAsync(parsed.GetValue(name)!, parsed.GetValue(json), output, error, ct));
        return new Command("data", "Public data sets: what there is, and how to get it.") { list, get };
    }

    private static void List(TextWriter output, bool json)
    {
        var store = new DatasetStore();
        if (json)
        {
            foreach (DatasetInfo info in DatasetCatalog.All)
            {
                output.WriteLine(JsonSerializer.Serialize(new
                {
                    name = info.Name,
                    title = info.Title,
                    licence = info.Licence,
                    source = info.Source,
                    size = info.Size,
                    folder = store.Locate(info),
                    files = info.Files.Select(file => new { name = file.Name, origin = file.Origin, size = file.Size, sha256 = file.Sha256 }),
                }));
            }

            return;
        }

        foreach (DatasetInfo info in DatasetCatalog.All)
        {
            output.WriteLine($"{info.Name}");
            output.WriteLine($"  {info.Title}; {Size(info.Size)} uncompressed");
            output.WriteLine($"  {info.Source}; licence {info.Licence}; from {info.Files[0].Origin.Host}");
            output.WriteLine(store.Locate(info) is { } folder ? $"  here: {folder}" : $"  not here; get it with: fedcore data get {info.Name}");
        }
    }

    private static async Task<int> GetAsync(string name, bool json, TextWriter output, TextWriter error, CancellationToken ct)
    {
        DatasetInfo info = DatasetCatalog.Find(name);
        var store = new DatasetStore();
        using var http = new HttpClient { Timeout = TimeSpan.FromMinutes(10) };
        var progress = new SynchronousProgress<(DatasetFile File, bool Present)>(report =>
        {
            if (!json) error.WriteLine($"{report.File.Name}: {(report.Present ? "is here" : $"fetching from {report.File.Origin.Host}")}");
        });
        string folder = await store.GetAsync(info, http, progress, ct);
        await output.WriteLineAsync(json ? JsonSerializer.Serialize(new { name, folder, licence = info.Licence }) : $"{name} is in {folder} (licence: {info.Licence})");
        return 0;
    }

    private static string Size(long bytes) => bytes >= 1_000_000 ? $"{bytes / 1e6:F0} MB" : $"{bytes / 1e3:F0} kB";

    private sealed class SynchronousProgress<T>(Action<T> report) : IProgress<T>
    {
        public void Report(T value) => report(value);
    }
}
