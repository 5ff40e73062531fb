using FedCore.Hosting.Federation;
using FedCore.SecureAggregation.Identity;

namespace FedCore.Aggregator.Sites;

/// <summary>
/// The identity keys of a run's sites: those of the federation's roster, or, without one, those that the sites came with first. With these the aggregator could be anybody, so that what
/// secure sums keep from it holds only as long as it is honest about them: "curious server only".
/// </summary>
/// <param name="sites">The run's sites.</param>
/// <param name="roster">The roster; null for none.</param>
internal sealed class SiteIdentities(IReadOnlyList<Site> sites, RosterFile? roster) : ISiteIdentities
{
    private readonly Dictionary<string, Site> _sites = sites.ToDictionary(site => site.Name, StringComparer.Ordinal);

    /// <summary>Whether the keys are those of the roster, and all who can take part believe a roster too.</summary>
    public bool ArePinned => roster is not null && sites.All(site => site.IdentityKey is null || site.Roster.Length > 0);

    /// <summary>All keys, for sites that have no roster.</summary>
    public IEnumerable<(string Site, ReadOnlyMemory<byte> Key)> All
    {
        get
        {
            foreach (Site site in sites)
                if (TryFind(site.Name, out ReadOnlyMemory<byte> key)) yield return (site.Name, key);
        }
    }

    public bool TryFind(string site, out ReadOnlyMemory<byte> publicKey)
    {
        publicKey = default;
        if (!_sites.TryGetValue(site, out Site? known)) return false;
        if (roster is not null) return roster.Read().TryFind(site, out publicKey);
        publicKey = known.IdentityKey ?? default;
        return known.IdentityKey is not null;
    }
}
