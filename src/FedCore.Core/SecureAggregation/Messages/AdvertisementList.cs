using System.Security.Cryptography;
using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Suites;

namespace FedCore.SecureAggregation.Messages;

/// <summary>
/// The advertisements of all who take part, by name, the same bytes for everybody: their hash salts every key, so clients who were sent different lists cannot read each
/// other's shares. A client's number in the session is its place here.
/// </summary>
internal sealed class AdvertisementList
{
    private readonly Dictionary<string, int> _numbers = new(StringComparer.Ordinal);

    private AdvertisementList(IReadOnlyList<Advertisement> members, byte[] bytes)
    {
        Members = members;
        for (int i = 0; i < members.Count; i++) _numbers.TryAdd(members[i].Name, i);
        Encoded = bytes;
        Hash = SHA256.HashData(new MessageWriter().Bytes(Labels.Advertisements).Bytes(bytes).Written);
    }

    /// <summary>The advertisements, by name.</summary>
    public IReadOnlyList<Advertisement> Members { get; }

    public byte[] Encoded { get; }

    /// <summary>SHA-256 of the list.</summary>
    public byte[] Hash { get; }

    public static AdvertisementList Create(IEnumerable<Advertisement> advertisements)
    {
        Advertisement[] members = [.. advertisements.OrderBy(member => member.Name, StringComparer.Ordinal)];
        MessageWriter writer = new MessageWriter().Number(members.Length);
        foreach (Advertisement member in members) member.Write(writer);
        return new AdvertisementList(members, writer.ToArray());
    }

    public static AdvertisementList Decode(ReadOnlySpan<byte> bytes, SessionTerms terms, ISecureAggregationSuite suite)
    {
        var reader = new MessageReader(bytes, "The list of advertisements");
        Advertisement[] members = new Advertisement[reader.Count(terms.Invited, Advertisement.LeastLength(suite))];
        for (int i = 0; i < members.Length; i++) members[i] = Advertisement.Read(ref reader, suite);
        reader.End();
        return new AdvertisementList(members, bytes.ToArray());
    }

    /// <summary>The first name that does not stand behind the one before it: it is there twice, or out of order.</summary>
    public string? FirstRepeated() =>
        Enumerable.Range(1, Math.Max(0, Members.Count - 1)).Where(i => string.CompareOrdinal(Members[i - 1].Name, Members[i].Name) >= 0).Select(i => Members[i].Name).FirstOrDefault();

    /// <summary>A client's number; -1 where it is not there.</summary>
    public int NumberOf(string name) => _numbers.TryGetValue(name, out int number) ? number : -1;

    /// <summary>Who masks against whom.</summary>
    public MaskGraph Graph(SessionTerms terms) =>
        new(Members.Count, terms.Graph.Degree, SHA256.HashData(new MessageWriter().Bytes(Labels.Graph).Bytes(Hash).Written));
}
