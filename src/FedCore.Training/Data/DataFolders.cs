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

    /// <summary>Finds a file.</summary>
    /// <param name="path">A path, absolute or relative.</param>
    /// <param name="dataset">The public data set that the file belongs to, or null.</param>
    /// <returns>The path of a file that exists.</returns>
    /// <exception cref="FedCoreException">There is none (<c>data.not-found</c>).</exception>
    public string Find(string path, string? dataset)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (dataFolder is not null && !Directory.Exists(dataFolder))
        {
            throw FedCoreException.Configuration(
                "data.not-found", $"The data folder '{Path.GetFullPath(dataFolder)}' is not there. Create it, or name another with --data.");
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

        string remedy = dataset is null
            ? "Correct the path in the run file, or name the folder with --data."
            : $"Get it with: fedcore data get {dataset}. Or name the folder that has it with --data.";
        throw FedCoreException.Configuration(
            "data.not-found", $"'{path}' was not found. Looked for: {string.Join(", ", candidates.Select(Path.GetFullPath))}. {remedy}");
    }
}
