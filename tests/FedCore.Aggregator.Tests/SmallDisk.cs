using System.Diagnostics;

namespace FedCore.Aggregator.Tests;

/// <summary>A file system in memory that is soon full. The calling test is skipped where mounting is not permitted.</summary>
internal sealed class SmallDisk : IDisposable
{
    private SmallDisk(string path) => Path = path;

    public string Path { get; }

    public static SmallDisk Mount(int kilobytes)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "A small file system is mounted on Linux only.");
        string path = Directory.CreateTempSubdirectory("fedcore-disk-").FullName;
        (int code, string error) = Run("mount", "-t", "tmpfs", "-o", $"size={kilobytes}k", "tmpfs", path);
        if (code != 0)
        {
            Directory.Delete(path);
            Assert.Skip($"Mounting a small file system is not permitted here: {error.Trim()}");
        }

        return new SmallDisk(path);
    }

    /// <summary>Takes all room but some.</summary>
    public string Fill(int exceptBytes = 0)
    {
        string path = System.IO.Path.Combine(Path, "filler");
        using FileStream file = new(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        byte[] zeros = new byte[4096];
        try
        {
            while (true) file.Write(zeros);
        }
        catch (IOException)
        {
            file.SetLength(Math.Max(0, file.Length - exceptBytes));
        }

        return path;
    }

    public void Dispose()
    {
        // Lazily: whatever a failed test has left open does not keep the others from their own.
        Run("umount", "-l", Path);
        Directory.Delete(Path);
    }

    private static (int Code, string Error) Run(string file, params string[] args)
    {
        using Process process = Process.Start(new ProcessStartInfo(file, args) { RedirectStandardError = true })!;
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, error);
    }
}
