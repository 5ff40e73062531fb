using System.IO.Compression;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace FedCore.Training.Data.Datasets;

/// <summary>The user's copies of public data sets: a folder with one folder per data set.</summary>
/// <param name="root">The folder; null for <c>FEDCORE_DATA</c> or else the user's local application data.</param>
public sealed class DatasetStore(string? root = null)
{
    /// <summary>The folder of all copies.</summary>
    public string Root { get; } = root ?? (Environment.GetEnvironmentVariable("FEDCORE_DATA") is { Length: > 0 } named ? named : null) ?? Path.Combine(
        Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify), "fedcore", "datasets");

    /// <summary>The folders in which a data set may be, the user's own first.</summary>
    /// <param name="name">The data set.</param>
    /// <returns>The folders, whether they exist or not.</returns>
    public IEnumerable<string> FoldersOf(string name) => FoldersOf(DatasetCatalog.Find(name));

    /// <summary>The folder that has all files of a data set, or null.</summary>
    /// <param name="info">The data set.</param>
    /// <returns>The folder.</returns>
    public string? Locate(DatasetInfo info)
    {
        ArgumentNullException.ThrowIfNull(info);
        return FoldersOf(info).FirstOrDefault(folder => info.Files.All(file => File.Exists(Path.Combine(folder, file.Name))));
    }

    /// <summary>Fetches what is missing of a data set, or has the wrong content, and checks every file.</summary>
    /// <param name="info">The data set.</param>
    /// <param name="http">The client to fetch with.</param>
    /// <param name="progress">Hears of each file before it is fetched or when it was there already.</param>
    /// <param name="ct">Cancels the fetching.</param>
    /// <returns>The folder that has it.</returns>
    /// <exception cref="FedCoreException">A file could not be fetched (<c>data.unreachable</c>), is not what it must be (<c>data.digest</c>), or cannot be kept
    /// in the folder (<c>data.store</c>).</exception>
    public async Task<string> GetAsync(DatasetInfo info, HttpClient http, IProgress<(DatasetFile File, bool Present)>? progress, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(info);
        ArgumentNullException.ThrowIfNull(http);
        if (Locate(info) is { } existing && existing != Path.Combine(Root, info.Name)) return existing;
        string folder = Path.Combine(Root, info.Name);
        try
        {
            Directory.CreateDirectory(folder);
            foreach (DatasetFile file in info.Files)
            {
                string path = Path.Combine(folder, file.Name);
                bool present = File.Exists(path) && await FaultOfAsync(path, file, ct).ConfigureAwait(false) is null;
                progress?.Report((file, present));
                if (!present) await FetchAsync(info, file, path, http, ct).ConfigureAwait(false);
            }

            return folder;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw FedCoreException.Configuration(
                "data.store", $"{folder}: the data set cannot be kept there ({fault.Message.TrimEnd('.')}). Make the folder writable, or name another with FEDCORE_DATA.", fault);
        }
    }

    /// <summary>What is wrong with a copy of a file, or null.</summary>
    /// <param name="path">The copy, compressed with gzip or not.</param>
    /// <param name="file">What it must be.</param>
    /// <param name="ct">Cancels the reading.</param>
    /// <returns>A phrase such as <c>has 100 bytes instead of 200</c>.</returns>
    public static async Task<string?> FaultOfAsync(string path, DatasetFile file, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(file);
        FileStream stream = File.OpenRead(path);
        await using (stream.ConfigureAwait(false))
        {
            bool compressed = path.EndsWith(".gz", StringComparison.Ordinal) || file.Name.EndsWith(".gz", StringComparison.Ordinal);
            Stream content = compressed ? new GZipStream(stream, CompressionMode.Decompress) : stream;
            await using (content.ConfigureAwait(false))
            {
                using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
                byte[] buffer = new byte[1 << 16];
                long length = 0;
                try
                {
                    for (int read; (read = await content.ReadAsync(buffer, ct).ConfigureAwait(false)) > 0 && length <= file.Size; length += read)
                        hash.AppendData(buffer, 0, read);
                }
                catch (InvalidDataException)
                {
                    return "is not a sound gzip file";
                }

                if (length != file.Size) return length > file.Size ? $"has more than {file.Size} bytes" : $"has {length} bytes instead of {file.Size}";
                string digest = Convert.ToHexStringLower(hash.GetHashAndReset());
                return digest == file.Sha256 ? null : $"has the SHA-256 {digest} instead of {file.Sha256}";
            }
        }
    }

    private string[] FoldersOf(DatasetInfo info) => [Path.Combine(Root, info.Name), .. info.SystemFolders];

    private static async Task FetchAsync(DatasetInfo info, DatasetFile file, string path, HttpClient http, CancellationToken ct)
    {
        string partial = path + ".partial";
        FileStream target = File.Create(partial);
        try
        {
            await using ConfiguredAsyncDisposable closing = target.ConfigureAwait(false);
            using HttpResponseMessage response = await http.GetAsync(file.Origin, HttpCompletionOption.ResponseHeadersRead, ct).ConfigureAwait(false);
            response.EnsureSuccessStatusCode();
            await response.Content.CopyToAsync(target, ct).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is HttpRequestException or IOException || (fault is TaskCanceledException && !ct.IsCancellationRequested))
        {
            File.Delete(partial);
            string package = info.SystemPackage is null ? "" : $" On Debian: apt-get install {info.SystemPackage}.";
            throw new FedCoreException(
                FaultKind.Unreachable, "data.unreachable",
                $"{file.Origin} could not be fetched ({fault.Message}). Without a network, copy {string.Join(", ", info.Files.Select(f => f.Name))} "
                + $"from another machine into {Path.GetDirectoryName(path)}.{package}", fault);
        }

        if (await FaultOfAsync(partial, file, ct).ConfigureAwait(false) is { } wrong)
        {
            File.Delete(partial);
            throw FedCoreException.Configuration("data.digest", $"{file.Origin} {wrong}. Try again later, or copy the file from a source that you trust to {path}.");
        }

        File.Move(partial, path, overwrite: true);
    }
}
