using System.Collections.Frozen;
using System.Reflection;
using System.Runtime.Loader;

namespace FedCore.Naming.PlugIns;

/// <summary>
/// Where a plug-in finds what it is built on: FedCore and the framework are the program's, so that both mean the same types; everything else is its own, whatever
/// versions the program or other plug-ins have.
/// </summary>
internal sealed class PlugInContext(string path) : AssemblyLoadContext(path)
{
    private readonly AssemblyDependencyResolver _resolver = new(path);

    /// <summary>Whether an assembly is a part of FedCore, or is called like one.</summary>
    public static bool IsFedCore(string? name) => name?.StartsWith("FedCore.", StringComparison.OrdinalIgnoreCase) == true;

    protected override Assembly? Load(AssemblyName assemblyName)
    {
        if ((IsFedCore(assemblyName.Name) || Framework.Value.Contains(assemblyName.Name ?? "")) && FromProgram(assemblyName) is { } shared) return shared;
        return _resolver.ResolveAssemblyToPath(assemblyName) is { } own ? LoadFromAssemblyPath(own) : null;
    }

    protected override nint LoadUnmanagedDll(string unmanagedDllName) =>
        _resolver.ResolveUnmanagedDllToPath(unmanagedDllName) is { } own ? LoadUnmanagedDllFromPath(own) : 0;

    // Null where the program has none: a plug-in's own part may be called FedCore too, and may need a newer framework library. Of FedCore itself a newer one than
    // the program's is no use.
    private static Assembly? FromProgram(AssemblyName name)
    {
        try
        {
            return Default.LoadFromAssemblyName(name);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        catch (FileLoadException) when (!IsFedCore(name.Name))
        {
            return null;
        }
    }

    // What the runtime brings along; in a self-contained program it lies among the program's own files.
    private static readonly Lazy<FrozenSet<string>> Framework = new(() =>
    {
        string program = Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);
        string[] known = (AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") as string ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        bool isSelfContained = Path.GetDirectoryName(typeof(object).Assembly.Location) is not { Length: > 0 } runtime || runtime == program;
        return known.Where(file => isSelfContained ? IsNamedLikeFramework(Path.GetFileName(file)) : Path.GetDirectoryName(file) != program)
            .Select(file => Path.GetFileNameWithoutExtension(file)).ToFrozenSet(StringComparer.OrdinalIgnoreCase);
    });

    private static bool IsNamedLikeFramework(string file) => file.StartsWith("System.", StringComparison.Ordinal) || file.StartsWith("Microsoft.", StringComparison.Ordinal)
        || file is "mscorlib.dll" or "netstandard.dll" or "WindowsBase.dll";
}
