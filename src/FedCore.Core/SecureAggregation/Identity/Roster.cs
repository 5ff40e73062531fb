using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Suites;

namespace FedCore.SecureAggregation.Identity;

/// <summary>
/// The sites of a federation and their public identity keys, signed by the federation's root, whose key never needs to be on a machine with a network. A site pins the root's public key and
/// believes what it signed, whatever an aggregator says: so a cohort cannot be filled up with clients that nobody knows.
/// </summary>
public sealed partial class Roster : ISiteIdentities
{
    /// <summary>The most bytes of a roster's file.</summary>
    public const int MostBytes = 64 << 20;

    private const string Unreadable = "roster.unreadable";
    private static readonly ISecureAggregationSuite Suite = SecureAggregationSuites.Default;
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true, RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true };

    private readonly SortedDictionary<string, byte[]> _sites;
    private readonly byte[] _signature;

    private Roster(string federation, long serial, SortedDictionary<string, byte[]> sites, byte[] signature) => (Federation, Serial, _sites, _signature) = (federation, serial, sites, signature);

    /// <summary>The federation's name.</summary>
    public string Federation { get; }

    /// <summary>Which one of the federation's rosters it is; a site takes none with a lower number than it has had.</summary>
    public long Serial { get; }

    /// <summary>The sites' names, in order.</summary>
    public IReadOnlyCollection<string> Sites => _sites.Keys;

    /// <inheritdoc/>
    public bool ArePinned => true;

    /// <inheritdoc/>
    public bool TryFind(string site, out ReadOnlyMemory<byte> publicKey)
    {
        bool isKnown = _sites.TryGetValue(site, out byte[]? key);
        publicKey = key;
        return isKnown;
    }

    /// <summary>Whether a name is one that a site can have.</summary>
    /// <param name="name">The name.</param>
    /// <returns>True for up to 100 letters, digits, dots, underscores and hyphens, of which the first is a letter or a digit.</returns>
    public static bool IsName(string name) => NamePattern().IsMatch(name);

    /// <summary>Reads a public key as people pass it on.</summary>
    /// <param name="text">The key's bytes in base64.</param>
    /// <returns>The key's bytes.</returns>
    /// <exception cref="FedCoreException">It is no public key (<c>roster.key</c>).</exception>
    public static byte[] ParseKey(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Contains("-----BEGIN", StringComparison.Ordinal)) throw FedCoreException.Configuration("roster.key", "This is a key in PEM, perhaps a private one, where a public key belongs, which is one line of base64. 'fedcore federation init' wrote the root's to root.pub.");
        byte[] key = new byte[Suite.PublicKeyLength];
        try
        {
            if (Convert.TryFromBase64String(text.Trim(), key, out int length) && length == key.Length)
            {
                Suite.ImportPeer(key).Dispose();
                return key;
            }
        }
        catch (CryptographicException)
        {
            // As if it had another length.
        }

        throw FedCoreException.Configuration("roster.key", $"'{Shown.Of(text.Trim())}' is no public key: one is a point of P-256, {key.Length} bytes in base64. Copy the whole line as it was shown.");
    }

    /// <summary>Signs a roster.</summary>
    /// <param name="federation">The federation's name.</param>
    /// <param name="serial">Its number, higher than that of every roster before.</param>
    /// <param name="sites">The sites and their public keys.</param>
    /// <param name="root">The root's key.</param>
    /// <returns>The roster.</returns>
    /// <exception cref="FedCoreException">A name or a key is none (<c>roster.name</c>, <c>roster.key</c>).</exception>
    public static Roster Sign(string federation, long serial, IEnumerable<KeyValuePair<string, byte[]>> sites, ISigningKey root)
    {
        ArgumentNullException.ThrowIfNull(sites);
        ArgumentNullException.ThrowIfNull(root);
        var sorted = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        foreach ((string name, byte[] key) in sites)
        {
            if (!IsName(name)) throw FedCoreException.Configuration("roster.name", $"'{Shown.Of(name)}' is no site's name: letters, digits, dots, underscores and hyphens, at most 100, the first a letter or a digit.");
            sorted.Add(name, ParseKey(Convert.ToBase64String(key)));
        }

        foreach (IGrouping<string, string> shared in sorted.GroupBy(site => Convert.ToBase64String(site.Value), site => site.Key))
            if (shared.Count() > 1) throw FedCoreException.Configuration("roster.key", $"{Shown.List(shared)} have the same key. Each site has one of its own.");
        return new Roster(federation, serial, sorted, root.Sign(SignedBytes(federation, serial, sorted)));
    }

    /// <summary>Reads a roster's file and checks the signature before anything else of it counts.</summary>
    /// <param name="file">The file's bytes, from anybody.</param>
    /// <param name="rootKey">The public key of the federation's root, as it is pinned.</param>
    /// <returns>The roster.</returns>
    /// <exception cref="FedCoreException">It is no roster (<c>roster.unreadable</c>), or not signed by this root (<c>roster.signature</c>).</exception>
    public static Roster Read(ReadOnlySpan<byte> file, ReadOnlySpan<byte> rootKey)
    {
        if (file.Length > MostBytes) throw FedCoreException.Configuration(Unreadable, $"The roster has {file.Length} bytes, more than {MostBytes}.");
        Document document;
        var sites = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        byte[] signature;
        try
        {
            document = JsonSerializer.Deserialize<Document>(file, Json) ?? throw new JsonException("It is null.");
            foreach ((string name, string? key) in document.Sites) sites.Add(name, Convert.FromBase64String(key ?? throw new JsonException($"The key of '{name}' is null.")));
            signature = Convert.FromBase64String(document.Signature);
        }
        catch (Exception fault) when (fault is JsonException or FormatException)
        {
            throw FedCoreException.Configuration(Unreadable, $"The roster cannot be read ({Shown.Of(fault.Message.TrimEnd('.'), 200)}). Take the file that 'fedcore federation sign-roster' wrote, as it is.", fault);
        }

        if (!Suite.Verify(rootKey, SignedBytes(document.Federation, document.Serial, sites), signature))
        {
            throw FedCoreException.Configuration(
                "roster.signature", $"The roster of '{Shown.Of(document.Federation)}' is not signed by the root that is pinned here: it was altered, or is of another federation. Get it anew from who signs it.");
        }

        return new Roster(document.Federation, document.Serial, sites, signature);
    }

    /// <summary>The roster's file.</summary>
    /// <returns>JSON, in UTF-8.</returns>
    public byte[] ToFile() => JsonSerializer.SerializeToUtf8Bytes(
        new Document(Federation, Serial, _sites.ToDictionary(site => site.Key, site => (string?)Convert.ToBase64String(site.Value)), Convert.ToBase64String(_signature)), Json);

    private static byte[] SignedBytes(string federation, long serial, SortedDictionary<string, byte[]> sites)
    {
        MessageWriter writer = new MessageWriter().Bytes(Labels.Roster).Bytes([Suite.Id]).Text(federation).Text(serial.ToString(System.Globalization.CultureInfo.InvariantCulture)).Number(sites.Count);
        foreach ((string name, byte[] key) in sites) writer.Text(name).Number(key.Length).Bytes(key);
        return writer.ToArray();
    }

    private sealed record Document(string Federation, long Serial, Dictionary<string, string?> Sites, string Signature);

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\z")]
    private static partial Regex NamePattern();
}
