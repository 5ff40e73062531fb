using FedCore.Training.Data.Datasets;

namespace FedCore.Training.Data;

/// <summary>Where data files are looked for.</summary>
/// <param name="runFolder">The folder of the run file: relative paths begin there.</param>
/// <param name="dataFolder">A folder that the user named, or null: it comes first.</param>
/// <param name="datasets">The known public data sets.</param>
public sealed class DataFolders(string runFolder, string? dataFolder, DatasetStore datasets)
{
    /// <summary>The known public data sets.</summary>
    public DatasetStore Datasets { get; } = datasets;

    /// <summary>Where the source of the data is written down, for messages: in a run file, or in a site's settings.</summary>
    public string Key { get; private init; } = "simulation.data";

    // What names the data folder, where the user can name one.
    private string? Option { get; init; } = "--data";

    /// <summary>Where the data files of a real site are looked for.</summary>
    /// <param name="settingsFolder">The folder of the site's settings: relative paths begin there.</param>
    /// <param name="datasets">The known public data sets.</param>
    /// <returns>The folders; messages speak of the settings' <c>data</c>.</returns>
    public static DataFolders OfSite(string settingsFolder, DatasetStore datasets) => new(settingsFolder, null, datasets) { Key = "data", Option = null };

    /// <summary>Finds a file.</summary>
    /// <param name="path">A path, absolute or relative.</param>
    /// <param name="dataset">The public data set that the file belongs to, or null.</param>
    /// <param name="property">The source's property that names the file, for messages, such as <c>images</c>.</param>
    /// <returns>The path of a file that exists.</returns>
    /// <exception cref="FedCoreException">There is none, or the path is no path (<c>data.not-found</c>), the data set is not known
    /// (<c>data.unknown</c>), or the user's folder is not there (<c>data.folder</c>).</exception>
    public string Find(string path, string? dataset, string property)
    {
        ArgumentNullException.ThrowIfNull(path);
        string key = $"{Key}.{property}";
        if (string.IsNullOrWhiteSpace(path) || path.Contains('\0', StringComparison.Ordinal))
            throw FedCoreException.Configuration("data.not-found", $"{key} is '{Shown.Of(path)}', which is not the name of a file. Name a file that exists.");
        if (dataset is not null && DatasetCatalog.All.All(info => info.Name != dataset))
        {
            throw FedCoreException.Configuration(
                "data.unknown", $"{Key}.dataset is '{Shown.Of(dataset)}', which is no data set that FedCore knows. "
                + $"Known: {string.Join(", ", DatasetCatalog.All.Select(info => info.Name))}. For files of your own leave it out.");
        }

        if (dataFolder is not null && !Directory.Exists(dataFolder))
        {
            throw FedCoreException.Configuration(
                "data.folder", $"The data folder '{Shown.Of(dataFolder, 400)}' is not there. Create it, or name another with --data.");
        }

        List<string> candidates = [];
        if (dataFolder is not null)
        {
            candidates.Add(Path.Combine(dataFolder, path));
            if (dataset is not null) candidates.Add(Path.Combine(dataFolder, dataset, path));
        }

        if (dataset is null) candidates.Add(Path.Combine(runFolder, path));
        else candidates.AddRange(Datasets.FoldersOf(dataset).Select(folder => Path.Combine(folder, path)));
        foreach (string candidate in candidates)
        {
            string full = Path.GetFullPath(candidate);
            if (File.Exists(full)) return full;

            // Distributions ship the same files with and without compression.
            if (File.Exists(full + ".gz")) return full + ".gz";
        }

        string remedy = dataset is null ? $"Correct {key}" : $"Get it with: fedcore data get {dataset}";
        if (Option is not null) remedy += dataset is null ? $", or name the folder that has the file with {Option}" : $". Or name the folder that has it with {Option}";
        throw FedCoreException.Configuration(
            "data.not-found", $"{key} is '{Shown.Of(path)}', which was not found. Looked for: "
            + $"{string.Join(", ", candidates.Select(candidate => Shown.Of(Path.GetFullPath(candidate), 400)))}. {remedy}.");
    }
}
