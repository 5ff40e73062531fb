using System.IO.Compression;
using FedCore.Rounds;
using FedCore.Training.Data;
using FedCore.Training.Data.Datasets;

namespace FedCore.Training.Tests.Data;

/// <summary>A folder that is gone behind the test.</summary>
public sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("fedcore-tests-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public string Write(string name, byte[] content)
    {
        System.IO.File.WriteAllBytes(File(name), content);
        return File(name);
    }

    public string Write(string name, string text) => Write(name, System.Text.Encoding.UTF8.GetBytes(text));

    internal DataRequest Request(RunPlan plan) => new(plan, new DataFolders(Path, null, new DatasetStore(File("datasets"))));

    public static byte[] Compress(byte[] content)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Fastest)) gzip.Write(content);
        return target.ToArray();
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
