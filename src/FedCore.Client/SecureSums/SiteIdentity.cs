using System.Text;
using FedCore.Client.Settings;
using FedCore.Client.Storage;
using FedCore.Client.Telemetry;
using FedCore.Hosting.Federation;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Suites;
using Microsoft.Extensions.Logging;

namespace FedCore.Client.SecureSums;

/// <summary>Who the site is in secure sums, and by which roster it knows the others.</summary>
internal sealed class SiteIdentity : IDisposable
{
    private readonly RosterFile? _roster;

    private SiteIdentity(ISigningKey key, RosterFile? roster) => (Key, _roster) = (key, roster);

    /// <summary>The file of the key, where others than its owner can read it; otherwise null.</summary>
    public string? OpenFile { get; private init; }

    /// <summary>The key with which the site signs.</summary>
    public ISigningKey Key { get; }

    /// <summary>The roster as it is now; null where the site has none, and believes the keys that the aggregator passes on.</summary>
    /// <exception cref="FedCoreException">It cannot be read, is not the root's, or is older than one that was here.</exception>
    public Roster? Roster => _roster?.Read();

    /// <summary>Which roster it is, such as <c>clinics/3</c>; empty for none.</summary>
    public string RosterName => Roster is { } roster ? FormattableString.Invariant($"{roster.Federation}/{roster.Serial}") : "";

    /// <summary>Opens the site's identity. Where the settings name no key, it has one of its own, which is made at the first start.</summary>
    /// <exception cref="FedCoreException">The key or the roster cannot be read, or is none.</exception>
    public static SiteIdentity Open(ClientSettings settings, DataFolder folder, ILogger log)
    {
        string path = settings.IdentityKey is { } named ? settings.PathOf(named) : folder.IdentityKey;
        if (settings.IdentityKey is null && !File.Exists(path)) Make(path, folder.Disk);
        ISigningKey key = IdentityKeys.FromPem(ReadText(path), path);
        try
        {
            var last = new LastRoster(folder.LastRoster, (file, content) => folder.Disk.Write(file, content));
            return new SiteIdentity(key, settings.Roster is { } roster ? new RosterFile(roster, settings.Folder, last, log.RosterPinned) : null) { OpenFile = IsOpen(path) ? path : null };
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    public void Dispose() => Key.Dispose();

    private static bool IsOpen(string path) => !OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & (UnixFileMode.GroupRead | UnixFileMode.OtherRead)) != 0;

    private static void Make(string path, Disk disk)
    {
        using ISigningKey key = SecureAggregationSuites.Default.CreateSigningKey();
        disk.Write(path, Encoding.ASCII.GetBytes(IdentityKeys.ToPem(key)));
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
}
