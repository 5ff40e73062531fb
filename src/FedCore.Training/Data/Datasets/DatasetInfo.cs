namespace FedCore.Training.Data.Datasets;

/// <summary>A public data set: where it comes from, under which licence, and how to know that a copy is right.</summary>
/// <param name="Name">The name in run files and on the command line.</param>
/// <param name="Title">What it is.</param>
/// <param name="Licence">The licence.</param>
/// <param name="Source">Whose it is, to be cited.</param>
/// <param name="Files">The files.</param>
/// <param name="SystemFolders">Where operating systems' packages put it.</param>
/// <param name="SystemPackage">The package that does, for a hint; null for none.</param>
public sealed record DatasetInfo(
    string Name,
    string Title,
    string Licence,
    string Source,
    IReadOnlyList<DatasetFile> Files,
    IReadOnlyList<string> SystemFolders,
    string? SystemPackage = null)
{
    /// <summary>Total size of the uncompressed files in bytes.</summary>
    public long Size => Files.Sum(file => file.Size);
}

/// <summary>A file of a public data set.</summary>
/// <param name="Name">Its name in the data set's folder.</param>
/// <param name="Origin">Where it is published.</param>
/// <param name="Size">Its size in bytes, uncompressed.</param>
/// <param name="Sha256">SHA-256 of its content, uncompressed: mirrors and packages compress differently.</param>
public sealed record DatasetFile(string Name, Uri Origin, long Size, string Sha256);
