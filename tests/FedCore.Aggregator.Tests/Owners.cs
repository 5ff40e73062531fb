namespace FedCore.Aggregator.Tests;

/// <summary>Who may open files. The calling test is skipped on Windows, which has no such modes.</summary>
internal static class Owners
{
    public static void AssertAlone(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Windows has no such modes.");
            return;
        }

        const UnixFileMode file = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        Assert.Equal(file | UnixFileMode.UserExecute, File.GetUnixFileMode(folder));
        string[] files = Directory.GetFiles(folder);
        Assert.NotEmpty(files);
        foreach (string path in files) Assert.Equal((path, file), (path, File.GetUnixFileMode(path)));
        foreach (string inner in Directory.GetDirectories(folder)) AssertAlone(inner);
    }
}
