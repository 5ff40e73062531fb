using System.ComponentModel.DataAnnotations;

namespace FedCore.Naming.PlugIns;

/// <summary>A plug-in that whoever runs a program has installed, and lists in its settings.</summary>
public sealed record PlugInReference
{
    /// <summary>The assembly's file (.dll), absolute or relative to the settings' folder. What it depends on lies beside it.</summary>
    [StringLength(4096, MinimumLength = 1)]
    public required string Path { get; init; }

    /// <summary>
    /// The file's SHA-256 in hexadecimal digits; when it is given, another file is refused. It is of this file alone: keep the folder writable to nobody but who installs
    /// plug-ins.
    /// </summary>
    [StringLength(64, MinimumLength = 64)]
    public string? Sha256 { get; init; }
}

/// <summary>A plug-in that was loaded, for a program's record of what runs in it.</summary>
/// <param name="Path">The file.</param>
/// <param name="Assembly">The assembly's name.</param>
/// <param name="Version">The assembly's version.</param>
/// <param name="Sha256">The file's SHA-256 in hexadecimal digits.</param>
/// <param name="Parts">What it has registered: the kind, such as <c>ITrainer</c>, and the name.</param>
public sealed record LoadedPlugIn(string Path, string Assembly, Version Version, string Sha256, IReadOnlyList<(string Kind, string Name)> Parts);
