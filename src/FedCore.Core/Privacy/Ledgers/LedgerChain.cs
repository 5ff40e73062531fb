using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace FedCore.Privacy.Ledgers;

/// <summary>
/// Entries as lines of JSON, each of which ends with the SHA-256 of itself and names that of the line before: who changes one, or leaves one out, must change all behind it, and the last hash is
/// kept elsewhere too.
/// </summary>
public static class LedgerChain
{
    /// <summary>What the first entry names as the one before it.</summary>
    public const string Origin = "0000000000000000000000000000000000000000000000000000000000000000";

    private const string HashName = ",\"hash\":\"";
    private const int HashDigits = 64;

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
    };

    /// <summary>An entry as its line.</summary>
    /// <param name="entry">The entry, with its number and the hash before it.</param>
    /// <returns>The line, without its end, and its hash.</returns>
    public static (string Line, string Hash) Seal(LedgerEntry entry)
    {
        string text = JsonSerializer.Serialize(entry, Json), hash = HashOf(text);
        return ($"{text[..^1]}{HashName}{hash}\"}}", hash);
    }

    /// <summary>Reads the line behind another one.</summary>
    /// <param name="line">The line, without its end.</param>
    /// <param name="number">Which one it must be.</param>
    /// <param name="previous">The hash of the one before.</param>
    /// <param name="path">The ledger's file, to be named where the chain is broken.</param>
    /// <returns>The entry and its hash.</returns>
    /// <exception cref="FedCoreException">The chain is broken here (<c>privacy.ledger</c>).</exception>
    public static (LedgerEntry Entry, string Hash) Open(string line, long number, string previous, string path)
    {
        ArgumentNullException.ThrowIfNull(line);
        int place = line.Length - HashDigits - HashName.Length - 2;
        if (place < 0 || !line.EndsWith("\"}", StringComparison.Ordinal) || string.CompareOrdinal(line, place, HashName, 0, HashName.Length) != 0) throw Broken(path, number, "is no entry of a ledger");
        string text = line[..place] + "}", hash = line.Substring(place + HashName.Length, HashDigits);
        if (HashOf(text) != hash) throw Broken(path, number, "is not what was written: its hash is another");
        LedgerEntry entry;
        try
        {
            entry = JsonSerializer.Deserialize<LedgerEntry>(text, Json)!;
        }
        catch (Exception fault) when (fault is JsonException or ArgumentException or NotSupportedException)
        {
            throw Broken(path, number, $"cannot be read ({Shown.Of(fault.Message.TrimEnd('.'), 200)})");
        }

        if (entry.Number != number) throw Broken(path, number, $"has the number {entry.Number}");
        if (entry.Previous != previous) throw Broken(path, number, "does not follow the one before it");
        return (entry, hash);
    }

    /// <summary>The fault of a ledger whose chain is broken.</summary>
    /// <param name="path">The ledger's file.</param>
    /// <param name="number">The entry.</param>
    /// <param name="what">What is wrong with it.</param>
    public static FedCoreException Broken(string path, long number, string what) =>
        FedCoreException.Configuration("privacy.ledger", $"The privacy ledger {Shown.Of(path, 400)} is broken: entry {number} {what}. Nobody knows what was spent, so nothing more is. Find out who changed it, and put the file back from a copy.");

    private static string HashOf(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
