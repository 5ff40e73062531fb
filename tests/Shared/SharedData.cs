namespace FedCore.Tests;

/// <summary>Real data and recorded values that lie beside the repository, in <c>../shared</c>. Tests that need them skip where they are absent.</summary>
internal static class SharedData
{
    public static string Repository { get; } = FindRepository();

    private static string Root => Path.Combine(Repository, "..", "shared");

    /// <summary>The full path of a file or folder; the calling test is skipped where there is none.</summary>
    public static string Require(string path)
    {
        string full = Path.GetFullPath(Path.Combine(Root, path));
        Assert.SkipUnless(Path.Exists(full), $"../shared/{path} is not here.");
        return full;
    }

    /// <summary>The files of a folder that match a pattern; none where the folder is absent.</summary>
    public static IEnumerable<string> Files(string folder, string pattern)
    {
        string full = Path.Combine(Root, folder);
        return Directory.Exists(full) ? Directory.EnumerateFiles(full, pattern).Order() : [];
    }

    private static string FindRepository()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "FedCore.sln"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("The tests must run inside the repository.");
    }
}
