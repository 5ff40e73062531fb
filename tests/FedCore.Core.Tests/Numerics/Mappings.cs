namespace FedCore.Core.Tests.Numerics;

/// <summary>What of a folder is mapped into this process, as Linux says.</summary>
internal static class Mappings
{
    /// <summary>The mappings of files in a folder, a line each; the calling test is skipped where the system does not tell.</summary>
    public static string[] Of(string folder)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "/proc/self/maps is Linux's.");
        return [.. File.ReadLines("/proc/self/maps").Where(line => line.Contains(folder + "/", StringComparison.Ordinal))];
    }
}
