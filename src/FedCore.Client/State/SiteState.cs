using System.Globalization;
using System.Text;
using FedCore.Client.Storage;
using FedCore.Numerics;
using FedCore.Strategies;

namespace FedCore.Client.State;

/// <summary>
/// What this site keeps of a run from round to round: a file per vector, read when it is first asked for. What a task writes is saved beside the task's update,
/// and takes the files' place only when the update counts.
/// </summary>
/// <param name="folder">The run's folder, which need not be there.</param>
internal sealed class SiteState(string folder) : IClientState, IDisposable
{
    private readonly Dictionary<string, FlatVector> _vectors = new(StringComparer.Ordinal);
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);

    /// <summary>Whether all that the client would keep is finite: what is not would spoil every round that it is asked in.</summary>
    public bool IsFinite => _used.All(name => VectorBlocks.IsFinite(_vectors[name], _vectors[name].Length));

    /// <summary>Begins with another task: what the last one wrote is forgotten here.</summary>
    public void Begin() => _used.Clear();

    public FlatVector Vector(string name, long length, FlatVector? initial = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (!_vectors.TryGetValue(name, out FlatVector? vector)) _vectors[name] = vector = new FlatVector(length);
        ArgumentOutOfRangeException.ThrowIfNotEqual(length, vector.Length);
        if (!_used.Add(name)) return vector;
        string path = Path.Combine(folder, FileOf(name));
        if (File.Exists(path)) Read(path, vector);
        else if (initial is null) vector.Clear();
        else vector.CopyFrom(initial);
        return vector;
    }

    /// <summary>Writes what the task has asked for into a folder that is there.</summary>
    public void Save(string target, Disk disk)
    {
        foreach (string name in _used) VectorFile.Write(Path.Combine(target, FileOf(name)), _vectors[name], disk);
    }

    public void Dispose()
    {
        foreach (FlatVector vector in _vectors.Values) vector.Dispose();
    }

    private static void Read(string path, FlatVector vector)
    {
        try
        {
            VectorFile.Read(path, vector);
        }
        catch (IOException fault)
        {
            throw FedCoreException.Configuration(
                "client.state", $"What this site keeps for the run cannot be read: {Shown.Of(fault.Message.TrimEnd('.'), 400)}. Restore the file, or delete its folder: the site then begins anew in this run.", fault);
        }
    }

    // Names that differ in case alone would be one file on some systems.
    private static string FileOf(string name)
    {
        var file = new StringBuilder();
        foreach (byte b in Encoding.UTF8.GetBytes(name))
            _ = b is >= (byte)'a' and <= (byte)'z' or >= (byte)'0' and <= (byte)'9' or (byte)'-' ? file.Append((char)b) : file.Append(CultureInfo.InvariantCulture, $"%{b:x2}");
        return file.Append(".f32").ToString();
    }
}
