namespace FedCore.Naming;

/// <summary>
/// What a plug-in assembly brings along: each public class of this kind, with a public constructor without parameters, is asked once when the program starts. A
/// plug-in is loaded from memory, so its assembly's location is empty.
/// </summary>
public interface IPlugIn
{
    /// <summary>Gives the plug-in's parts their names.</summary>
    /// <param name="registry">The names so far. A name that is taken is refused.</param>
    void Register(Registry registry);
}
