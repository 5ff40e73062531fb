using System.Security.Cryptography;
using FedCore.Protocol.V1;
using Google.Protobuf;

namespace FedCore.Client.Models;

/// <summary>
/// What was downloaded, in files that are named by their SHA-256. Where they become too many, those go that were not used for longest. A file's content is
/// checked the first time that it is used by a process.
/// </summary>
/// <param name="folder">The folder.</param>
/// <param name="maxBytes">How many bytes the files may have together. What a task needs is kept nevertheless, as long as it needs it.</param>
/// <param name="clock">Says when a file was used.</param>
internal sealed class BlobCache(string folder, long maxBytes, TimeProvider clock)
{
    private const string Partial = ".partial";

    private readonly Lock _lock = new();
    private readonly HashSet<string> _checked = new(StringComparer.Ordinal);

    /// <summary>The file of a blob that is here and whole, or null.</summary>
    public string? Find(Blob blob)
    {
        string name = NameOf(blob), path = Path.Combine(folder, name);
        lock (_lock)
        {
            if (!File.Exists(path) || new FileInfo(path).Length != blob.Length) return null;
            if (!_checked.Contains(name) && !IsWhole(path, name))
            {
                File.Delete(path);
                return null;
            }

            _checked.Add(name);
            File.SetLastWriteTimeUtc(path, clock.GetUtcNow().UtcDateTime);
            return path;
        }
    }

    /// <summary>Keeps a blob that came with something else.</summary>
    /// <returns>Its file; null where the content is not the blob's.</returns>
    public string? Put(Blob blob, ReadOnlySpan<byte> content)
    {
        if (content.Length != blob.Length || !SHA256.HashData(content).AsSpan().SequenceEqual(blob.Digest.Span)) return null;
        if (Find(blob) is { } here) return here;
        using (FileStream file = File.Create(PartialOf(blob))) file.Write(content);
        return Accept(blob);
    }

    /// <summary>Opens the part of a blob that is here already, to be added to.</summary>
    public FileStream Append(Blob blob)
    {
        var file = new FileStream(PartialOf(blob), FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read | FileShare.Delete);
        if (file.Length > blob.Length) file.SetLength(0);
        file.Seek(0, SeekOrigin.End);
        return file;
    }

    /// <summary>Takes a blob that has come to its end.</summary>
    /// <returns>Its file; null where the content is not the blob's, and nothing of it is kept.</returns>
    public string? Accept(Blob blob)
    {
        string name = NameOf(blob), path = Path.Combine(folder, name), partial = PartialOf(blob);
        if (!IsWhole(partial, name))
        {
            File.Delete(partial);
            return null;
        }

        lock (_lock)
        {
            File.Move(partial, path, overwrite: true);
            _checked.Add(name);
            File.SetLastWriteTimeUtc(path, clock.GetUtcNow().UtcDateTime);
        }

        return path;
    }

    /// <summary>The digests of what was used last.</summary>
    public IReadOnlyList<ByteString> Latest(int count) =>
        [.. Files().Where(file => file.Name.Length == 2 * SHA256.HashSizeInBytes && file.Name.All(char.IsAsciiHexDigitLower)).Take(count).Select(file => ByteString.CopyFrom(Convert.FromHexString(file.Name)))];

    /// <summary>Makes room.</summary>
    /// <param name="needed">What must stay, and has its place among the bytes even where it is not here yet.</param>
    public void Trim(IReadOnlyCollection<Blob> needed)
    {
        HashSet<string> kept = [.. needed.Select(NameOf), .. needed.Select(blob => NameOf(blob) + Partial)];
        long total = needed.Sum(blob => blob.Length);
        foreach (FileInfo file in Files().Where(file => !kept.Contains(file.Name)))
        {
            total += file.Length;
            if (total <= maxBytes) continue;
            total -= file.Length;
            file.Delete();
            lock (_lock) _checked.Remove(file.Name);
        }
    }

    private IOrderedEnumerable<FileInfo> Files() => new DirectoryInfo(folder).GetFiles().OrderByDescending(file => file.LastWriteTimeUtc).ThenBy(file => file.Name, StringComparer.Ordinal);

    private string PartialOf(Blob blob) => Path.Combine(folder, NameOf(blob) + Partial);

    private static string NameOf(Blob blob) => Convert.ToHexStringLower(blob.Digest.Span);

    private static bool IsWhole(string path, string name)
    {
        using FileStream file = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(file)) == name;
    }
}
