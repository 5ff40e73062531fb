using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.Loader;
using System.Security.Cryptography;

namespace FedCore.Naming.PlugIns;

/// <summary>
/// Loads plug-ins and lets them register their parts. Code that is not FedCore's comes into a program here and nowhere else: from files that whoever runs the
/// program has installed and listed.
/// </summary>
public static class PlugInLoader
{
    /// <summary>Loads plug-ins, one after the other.</summary>
    /// <param name="registry">Where their parts get their names. After a fault it may hold some of them.</param>
    /// <param name="plugIns">The plug-ins.</param>
    /// <param name="folder">The folder in which relative paths begin.</param>
    /// <param name="key">Where the plug-ins are listed, for messages.</param>
    /// <returns>What was loaded.</returns>
    /// <exception cref="FedCoreException">A file cannot be read (<c>plugin.file</c>), is another one than was pinned (<c>plugin.digest</c>) or no assembly
    /// (<c>plugin.assembly</c>); it was built against another FedCore (<c>plugin.version</c>), something it needs is missing (<c>plugin.dependency</c>), no public
    /// class in it is an <see cref="IPlugIn"/> (<c>plugin.empty</c>), a name is taken (<c>plugin.name</c>), or its own code failed (<c>plugin.failed</c>).</exception>
    public static IReadOnlyList<LoadedPlugIn> LoadPlugIns(this Registry registry, IReadOnlyList<PlugInReference> plugIns, string folder, string key = "plugIns")
    {
        ArgumentNullException.ThrowIfNull(registry);
        ArgumentNullException.ThrowIfNull(plugIns);
        ArgumentNullException.ThrowIfNull(folder);
        return [.. plugIns.Select((plugIn, i) => Load(registry, plugIn, folder, $"{key}[{i}]"))];
    }

    private static LoadedPlugIn Load(Registry registry, PlugInReference reference, string folder, string key)
    {
        (string path, byte[] file) = Read(reference.Path, folder, key);
        string digest = Convert.ToHexStringLower(SHA256.HashData(file));
        if (reference.Sha256 is { } pinned && !digest.Equals(pinned, StringComparison.OrdinalIgnoreCase))
        {
            throw Fault("plugin.digest", path, $"its SHA-256 is {digest}, but {key}.sha256 is {Shown.Of(pinned)}. It is another file than was installed: "
                + $"find out who has changed it, or set {key}.sha256 to the new digest", null);
        }

        PlugInContext context = NewContext(path);
        try
        {
            // What was hashed is what runs, even if the file changes meanwhile.
            Assembly assembly = context.LoadFromStream(new MemoryStream(file));
            CheckVersions(assembly, path);

            // Otherwise what is missing is found when a part is first used.
            foreach (AssemblyName needed in assembly.GetReferencedAssemblies()) context.LoadFromAssemblyName(needed);
            HashSet<(string, string)> before = [.. NamesIn(registry)];
            foreach (Type type in PlugInsOf(assembly, path)) Register(type, registry, path);
            AssemblyName name = assembly.GetName();
            return new LoadedPlugIn(path, name.Name!, name.Version!, digest, [.. NamesIn(registry).Where(part => !before.Contains(part))]);
        }
        catch (BadImageFormatException fault) when (fault.FileName is null)
        {
            throw Fault("plugin.assembly", path, "it is not a .NET assembly. Name the plug-in's .dll", fault);
        }
        catch (Exception fault) when (fault is TypeLoadException or MissingMemberException or FileNotFoundException or FileLoadException or BadImageFormatException)
        {
            throw Explain(path, fault);
        }
    }

    private static PlugInContext NewContext(string path)
    {
        try
        {
            return new PlugInContext(path);
        }
        catch (InvalidOperationException fault)
        {
            throw Fault("plugin.dependency", path, $"what it depends on cannot be found out ({Shown.Of(fault.Message.TrimEnd('.'), 400)}). Copy all files of the plug-in into its folder, its .deps.json too", fault);
        }
    }

    private static (string Path, byte[] File) Read(string name, string folder, string key)
    {
        string path = name;
        try
        {
            path = Path.GetFullPath(Path.Combine(folder, name));
            return (path, File.ReadAllBytes(path));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw FedCoreException.Configuration(
                "plugin.file", $"{key}.path is '{Shown.Of(name)}': the plug-in {Shown.Of(path, 400)} cannot be read ({Shown.Of(fault.Message.TrimEnd('.'), 400)}). Install it there, or correct {key}.path.", fault);
        }
    }

    // The runtime would bind an older reference to the program's FedCore and fail somewhere, some time.
    private static void CheckVersions(Assembly assembly, string path)
    {
        foreach (AssemblyName reference in assembly.GetReferencedAssemblies().Where(name => PlugInContext.IsFedCore(name.Name)))
        {
            if (VersionHere(reference.Name!) is not { } here || reference.Version is not { } built) continue;
            if (built > here || built.Major != here.Major || built.Minor != here.Minor)
                throw Fault("plugin.version", path, $"it was built against {reference.Name} {built.ToString(3)}, but this program has {here.ToString(3)}. Install a plug-in that was built against {here.ToString(2)}", null);
        }
    }

    private static Version? VersionHere(string name)
    {
        try
        {
            return AssemblyLoadContext.Default.LoadFromAssemblyName(new AssemblyName(name)).GetName().Version;
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    private static Type[] PlugInsOf(Assembly assembly, string path)
    {
        Type[] types = [.. assembly.GetExportedTypes().Where(type => type is { IsClass: true, IsAbstract: false, ContainsGenericParameters: false } && typeof(IPlugIn).IsAssignableFrom(type))];
        return types.Length > 0 ? types : throw Fault("plugin.empty", path, $"no public class in it is an {typeof(IPlugIn)}. Add one that registers the plug-in's parts", null);
    }

    [SuppressMessage("Design", "CA1031", Justification = "Whatever the plug-in's code throws is the plug-in's fault, and the message says so.")]
    private static void Register(Type type, Registry registry, string path)
    {
        if (type.GetConstructor([]) is not { } constructor)
            throw Fault("plugin.failed", path, $"its class {type} has no public constructor without parameters. Add one", null);
        try
        {
            ((IPlugIn)constructor.Invoke(BindingFlags.DoNotWrapExceptions, null, null, null)).Register(registry);
        }
        catch (NameTakenException fault)
        {
            throw Fault("plugin.name", path, $"its class {type} cannot register its parts: {fault.Reason} Rename the part, or leave out one of the two plug-ins", fault);
        }
        catch (Exception fault) when (fault is not (TypeLoadException or MissingMemberException or FileNotFoundException or FileLoadException or BadImageFormatException))
        {
            throw Fault("plugin.failed", path, $"its class {type} failed while it registered its parts: {fault.GetType()}, {Shown.Of(fault.Message.TrimEnd('.'), 400)}. Ask whoever made the plug-in", fault);
        }
    }

    private static FedCoreException Explain(string path, Exception fault)
    {
        string? missing = fault switch
        {
            FileNotFoundException { FileName: { } file } => file,
            FileLoadException { FileName: { } file } => file,
            BadImageFormatException { FileName: { } file } => file,
            _ => null,
        };
        string what = Shown.Of(fault.Message.TrimEnd('.'), 400);
        return missing is null
            ? Fault("plugin.version", path, $"it was built against another version of FedCore or of something else that it needs ({what}). "
                + $"Install one that was built against FedCore {VersionHere("FedCore.Core")!.ToString(2)}", fault)
            : Fault("plugin.dependency", path, $"it needs {Shown.Of(missing, 200)}, which is neither a part of this program nor to be loaded from the plug-in's folder ({what}). "
                + "Copy all files of the plug-in (dotnet publish) into its folder", fault);
    }

    private static IEnumerable<(string Kind, string Name)> NamesIn(Registry registry) =>
        registry.Kinds.SelectMany(kind => registry.NamesOf(kind).Keys.Select(name => (kind.Name, name)));

    private static FedCoreException Fault(string code, string path, string what, Exception? cause) =>
        FedCoreException.Configuration(code, $"The plug-in {Shown.Of(path, 400)}: {what}.", cause);
}
