using System.IO.Compression;
using FedCore.Rounds;
using FedCore.Tests;
using FedCore.Training.Data;
using FedCore.Training.Data.Datasets;

namespace FedCore.Training.Tests.Data;

internal static class Folders
{
    /// <summary>What a source is asked whose files lie in a folder.</summary>
    public static DataRequest Request(this TemporaryFolder folder, RunPlan plan) =>
        new(plan, new DataFolders(folder.Path, null, new DatasetStore(folder["datasets"])));

    public static byte[] Compress(byte[] content)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Fastest)) gzip.Write(content);
        return target.ToArray();
    }
}
