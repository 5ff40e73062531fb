using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using FedCore.Training.Data.Datasets;

namespace FedCore.Cli.Demo;

/// <summary>
/// What the demo lies on: a folder for each hospital with nobody's patients but its own, and a run file with which the same run can be simulated. The hospitals
/// are the four of the heart-disease data where that is on this machine, otherwise four parts of a data set that comes with the command.
/// </summary>
internal static class DemoFiles
{
    private const string HeartDisease = "heart-disease", Embedded = "hospitals";

    private const int MaxExamples = 1000;

    /// <summary>The run file's name.</summary>
    public const string RunFile = "run.json";

    /// <summary>How the demo's JSON is written.</summary>
    public static JsonSerializerOptions Written { get; } = new() { WriteIndented = true };

    private static readonly string[] Parts = ["north", "east", "south", "west"];

    /// <summary>Writes the files.</summary>
    /// <param name="folder">The demo's folder, which is there and empty.</param>
    /// <returns>The hospitals, in cohort order.</returns>
    public static IReadOnlyList<DemoHospital> Write(string folder)
    {
        DatasetInfo info = DatasetCatalog.Find(HeartDisease);
        string? data = new DatasetStore().Locate(info);
        JsonObject run = JsonNode.Parse(Resource(data is null ? $"{Embedded}.json" : $"{HeartDisease}.json"))!.AsObject();
        JsonObject simulation = run["simulation"]!.AsObject();
        JsonNode? columns = simulation["data"]!["columns"];
        double testFraction = simulation["testFraction"]!.GetValue<double>();
        IReadOnlyList<DemoHospital> hospitals = data is null ? Deal(folder) : [.. info.Files.Select(file => Copy(folder, data, file.Name))];
        run.Remove("$schema");

        // Nobody but a hospital sees its updates, whichever data there is; and the weights of secure sums need a bound.
        run["secureAggregation"] ??= new JsonObject();
        run["training"]!["maxExamples"] ??= MaxExamples;
        run["simulation"] = new JsonObject
        {
            ["data"] = Source([.. hospitals.Select(hospital => $"{hospital.Name}/{hospital.File}")], columns),
            ["partition"] = new JsonObject { ["type"] = "natural" },
            ["testFraction"] = testFraction,
        };
        File.WriteAllText(Path.Combine(folder, RunFile), run.ToJsonString(Written));
        return [.. hospitals.Select(hospital => hospital with { Source = Source([hospital.File], columns), TestFraction = testFraction })];
    }

    private static JsonObject Source(string[] files, JsonNode? columns)
    {
        var source = new JsonObject { ["type"] = "csv", ["files"] = new JsonArray([.. files.Select(file => JsonValue.Create(file))]) };
        if (columns is not null) source["columns"] = columns.DeepClone();
        return source;
    }

    // A client of a simulation is called as its file is, and random streams are keyed by that name.
    private static DemoHospital Copy(string folder, string data, string name)
    {
        string hospital = name.Split('.')[^2], file = hospital + Path.GetExtension(name);
        Directory.CreateDirectory(Path.Combine(folder, hospital));
        File.Copy(Path.Combine(data, name), Path.Combine(folder, hospital, file));
        return new DemoHospital(hospital, file);
    }

    private static DemoHospital[] Deal(string folder)
    {
        string[] lines = Resource("breast_cancer.csv").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var hospitals = new DemoHospital[Parts.Length];
        for (int i = 0, first = 1; i < Parts.Length; i++)
        {
            // Hospitals are not of one size: 4, 3, 2 and 1 tenths.
            int count = i == Parts.Length - 1 ? lines.Length - first : (lines.Length - 1) * (Parts.Length - i) / 10;
            hospitals[i] = new DemoHospital(Parts[i], Parts[i] + ".csv");
            Directory.CreateDirectory(Path.Combine(folder, Parts[i]));
            File.WriteAllLines(Path.Combine(folder, Parts[i], hospitals[i].File), [lines[0], .. lines.Skip(first).Take(count)]);
            first += count;
        }

        return hospitals;
    }

    private static string Resource(string name)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("demo/" + name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}

/// <summary>A hospital of the demo.</summary>
/// <param name="Name">Its name, and its folder's.</param>
/// <param name="File">Its patients, in its folder.</param>
internal sealed record DemoHospital(string Name, string File)
{
    /// <summary>How its client reads them.</summary>
    public JsonObject Source { get; init; } = [];

    /// <summary>The share of them that it holds back.</summary>
    public double TestFraction { get; init; }
}
