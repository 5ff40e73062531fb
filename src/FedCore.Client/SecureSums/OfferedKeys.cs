using FedCore.Protocol.V1;
using FedCore.SecureAggregation.Identity;

namespace FedCore.Client.SecureSums;

/// <summary>The keys of other sites as the aggregator passes them on, for a site without a roster. They are those of one session: what is said later does not count.</summary>
internal sealed class OfferedKeys : ISiteIdentities
{
    private Dictionary<string, ReadOnlyMemory<byte>>? _keys;

    public bool ArePinned => false;

    public bool TryFind(string site, out ReadOnlyMemory<byte> publicKey)
    {
        publicKey = default;
        return _keys is not null && _keys.TryGetValue(site, out publicKey);
    }

    /// <summary>Takes the keys that come with the list of advertisements.</summary>
    public void Take(IEnumerable<SiteKey> keys)
    {
        if (_keys is not null) return;
        _keys = new Dictionary<string, ReadOnlyMemory<byte>>(StringComparer.Ordinal);
        foreach (SiteKey key in keys) _keys.TryAdd(key.Site, key.Key.Memory);
    }
}
