using FedCore.Naming;
using FedCore.Naming.PlugIns;
using FedCore.Tests;

namespace FedCore.Client.Tests.PlugIns;

/// <summary>The plug-in of tests/FedCore.PlugIn.Sample, as it was built: this project is not compiled against it.</summary>
internal static class SamplePlugIn
{
    public const string File = "FedCore.PlugIn.Sample.dll", Dependency = "FedCore.PlugIn.Sample.Units.dll";

    public static string Folder { get; } = Path.Combine(SharedData.Repository, "tests", "FedCore.PlugIn.Sample", "bin", Configuration, "net10.0");

    private static string Configuration =>
#if DEBUG
        "Debug";
#else
        "Release";
#endif

    /// <summary>Copies what was built into a folder, less some files.</summary>
    public static void CopyTo(TemporaryFolder folder, params string[] without)
    {
        foreach (string file in Directory.EnumerateFiles(Folder).Where(file => !without.Contains(Path.GetFileName(file)))) System.IO.File.Copy(file, folder[Path.GetFileName(file)]);
    }

    /// <summary>Loads plug-ins from a folder into a new registry.</summary>
    public static (Registry Registry, IReadOnlyList<LoadedPlugIn> Loaded) Load(string folder, params PlugInReference[] plugIns)
    {
        Registry registry = Registry.CreateDefault().AddClient();
        return (registry, registry.LoadPlugIns(plugIns, folder));
    }
}
