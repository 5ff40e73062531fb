namespace FedCore.SecureAggregation.Identity;

/// <summary>Whose signatures a party believes.</summary>
public interface ISiteIdentities
{
    /// <summary>
    /// Whether the keys come from a roster that the federation's root signed. Otherwise the aggregator said whose they are, and nothing protects from an aggregator that lies: "curious
    /// server only".
    /// </summary>
    bool ArePinned { get; }

    /// <summary>A site's public identity key.</summary>
    /// <param name="site">The site's name.</param>
    /// <param name="publicKey">The key.</param>
    /// <returns>False where the site is not known.</returns>
    bool TryFind(string site, out ReadOnlyMemory<byte> publicKey);
}
