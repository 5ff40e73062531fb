using FedCore.SecureAggregation.Identity;

namespace FedCore.Hosting.Federation;

/// <summary>
/// The roster as it lies in a file, pinned to the root that must have signed it. A newer one takes its place while the process runs; an older one never does, since sites that were taken
/// out since then would be back in it. Safe for many threads.
/// </summary>
internal sealed class RosterFile
{
    private readonly Lock _lock = new();
    private readonly string _path;
    private readonly byte[] _rootKey;
    private readonly LastRoster _last;
    private readonly Action<Roster> _accepted;
    private (DateTime Written, long Length) _seen;
    private Roster? _roster;
    private long _least;

    /// <param name="settings">Where it is, and the root.</param>
    /// <param name="folder">The folder in which relative paths begin.</param>
    /// <param name="last">The last one that was here.</param>
    /// <param name="accepted">Hears of each one that counts from now on.</param>
    /// <exception cref="FedCoreException">The root's key cannot be read (<c>roster.key</c>, <c>roster.file</c>).</exception>
    public RosterFile(RosterSettings settings, string folder, LastRoster last, Action<Roster> accepted)
    {
        (_path, _last, _accepted) = (Path.GetFullPath(Path.Combine(folder, settings.File)), last, accepted);
        string keyFile = Path.Combine(folder, settings.RootKey);
        try
        {
            _rootKey = Roster.ParseKey(File.Exists(keyFile) ? ReadText(keyFile) : settings.RootKey);
        }
        catch (FedCoreException fault) when (fault.Code == "roster.key")
        {
            throw FedCoreException.Configuration(fault.Code, $"roster.rootKey is neither the public key of the federation's root nor a file that holds it. {fault.Message}", fault);
        }

        _least = last.NumberFor(Root);
    }

    private string Root => Convert.ToBase64String(_rootKey);

    /// <summary>The roster as it is now.</summary>
    /// <exception cref="FedCoreException">It cannot be read (<c>roster.file</c>, <c>roster.unreadable</c>), another root has signed it (<c>roster.signature</c>), or it is older than one that was here (<c>roster.old</c>).</exception>
    public Roster Read()
    {
        lock (_lock)
        {
            try
            {
                var file = new FileInfo(_path);
                (DateTime, long) state = (file.LastWriteTimeUtc, file.Exists ? file.Length : -1);
                if (_roster is not null && state == _seen) return _roster;
                if (file.Exists && file.Length > Roster.MostBytes) throw new IOException($"it has {file.Length} bytes, more than {Roster.MostBytes}");
                _roster = Check(Roster.Read(File.ReadAllBytes(_path), _rootKey));
                _seen = state;
                return _roster;
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                throw Unreadable(_path, fault);
            }
        }
    }

    private Roster Check(Roster roster)
    {
        if (roster.Serial < _least)
        {
            throw FedCoreException.Configuration(
                "roster.old", $"The roster {Shown.Of(_path, 400)} is number {roster.Serial}, but number {_least} was here already: sites may have been taken out since. Get the newest one from who signs it.");
        }

        if (roster.Serial > _least) _last.Keep(Root, roster.Serial);
        _least = roster.Serial;
        _accepted(roster);
        return roster;
    }

    private static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, fault);
        }
    }

    private static FedCoreException Unreadable(string path, Exception fault) => FedCoreException.Configuration(
        "roster.file", $"{Shown.Of(path, 400)} cannot be read ({Shown.Of(fault.Message.TrimEnd('.'), 400)}). Name the file that 'fedcore federation sign-roster' wrote, and let this user read it.", fault);
}
