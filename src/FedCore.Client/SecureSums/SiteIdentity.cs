using System.Text;
using System.Text.Json;
using FedCore.Client.Settings;
using FedCore.Client.Storage;
using FedCore.Hosting.Federation;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Suites;

namespace FedCore.Client.SecureSums;

/// <summary>Who the site is in secure sums, and by which roster it knows the others.</summary>
internal sealed class SiteIdentity : IDisposable
{
    private readonly RosterFile? _roster;

    private SiteIdentity(ISigningKey key, RosterFile? roster) => (Key, _roster) = (key, roster);

    /// <summary>The key with which the site signs.</summary>
    public ISigningKey Key { get; }

    /// <summary>The roster as it is now; null where the site has none, and believes the keys that the aggregator passes on.</summary>
    /// <exception cref="FedCoreException">It cannot be read, is not the root's, or is older than one that was here.</exception>
    public Roster? Roster => _roster?.Read();

    /// <summary>Which roster it is, such as <c>clinics/3</c>; empty for none.</summary>
    public string RosterName => Roster is { } roster ? FormattableString.Invariant($"{roster.Federation}/{roster.Serial}") : "";

    /// <summary>Opens the site's identity. Where the settings name no key, it has one of its own, which is made at the first start.</summary>
    /// <exception cref="FedCoreException">The key or the roster cannot be read, or is none.</exception>
    public static SiteIdentity Open(ClientSettings settings, DataFolder folder)
    {
        string path = settings.IdentityKey is { } named ? settings.PathOf(named) : folder.IdentityKey;
        if (settings.IdentityKey is null && !File.Exists(path)) Make(path, folder.Disk);
        ISigningKey key = IdentityKeys.FromPem(ReadText(path), path);
        try
        {
            return new SiteIdentity(key, settings.Roster is { } roster ? Pin(roster, settings.Folder, folder) : null);
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    public void Dispose() => Key.Dispose();

    private static void Make(string path, Disk disk)
    {
        using ISigningKey key = SecureAggregationSuites.Default.CreateSigningKey();
        disk.Write(path, Encoding.ASCII.GetBytes(IdentityKeys.ToPem(key)));
    }

    // The number of the last roster outlasts the process, or an old one could be put in its place while the client is stopped.
    private static RosterFile Pin(RosterSettings settings, string settingsFolder, DataFolder folder)
    {
        LastRoster? last = Read(folder.LastRoster);
        return new RosterFile(
            settings, settingsFolder, last?.Root == settings.RootKey ? last.Serial : 0,
            roster => folder.Disk.Write(folder.LastRoster, JsonSerializer.SerializeToUtf8Bytes(new LastRoster(settings.RootKey, roster.Serial), JsonSerializerOptions.Web)));
    }

    private static LastRoster? Read(string path)
    {
        if (!File.Exists(path)) return null;
        try
        {
            return JsonSerializer.Deserialize<LastRoster>(File.ReadAllBytes(path), JsonSerializerOptions.Web);
        }
        catch (JsonException fault)
        {
            throw FedCoreException.Configuration("roster.last", $"{Shown.Of(path, 400)} is damaged ({Shown.Of(fault.Message.TrimEnd('.'), 200)}). Delete it where you are sure that the roster is the newest one.", fault);
        }
    }

    private static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception fault) when (fault is FileNotFoundException or DirectoryNotFoundException)
        {
            throw FedCoreException.Configuration("identity.key", $"There is no {Shown.Of(path, 400)}, which client.identityKey names. Make one with: fedcore federation identity --out FILE", fault);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw FedCoreException.Configuration("identity.key", $"{Shown.Of(path, 400)} cannot be read ({Shown.Of(fault.Message.TrimEnd('.'), 400)}). Let this user read it, and nobody else.", fault);
        }
    }

    /// <summary>The last roster that was here.</summary>
    /// <param name="Root">The root's key, as the settings name it.</param>
    /// <param name="Serial">Its number.</param>
    private sealed record LastRoster(string Root, long Serial);
}
