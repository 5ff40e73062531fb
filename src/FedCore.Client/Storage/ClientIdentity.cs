using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace FedCore.Client.Storage;

/// <summary>Which client this is, whatever its token: 32 hexadecimal digits that are drawn once, and how often it was started.</summary>
/// <param name="Id">The digits.</param>
/// <param name="Start">The number of this start, from 1.</param>
internal sealed record ClientIdentity(string Id, long Start)
{
    private const int IdBytes = 16, ProcessBytes = 8;

    /// <summary>16 hexadecimal digits that this start has to itself: those of a copied data folder have the same number.</summary>
    [JsonIgnore]
    public string Process { get; } = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(ProcessBytes));

    /// <summary>How it goes over the wire.</summary>
    [JsonIgnore]
    public string OnWire => FormattableString.Invariant($"{Id}.{Start}.{Process}");

    /// <summary>Reads the identity of the last start, or draws one, and keeps that of this one before anybody hears of it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="disk">Where it lies.</param>
    /// <exception cref="FedCoreException">The file cannot be read (<c>client.folder</c>).</exception>
    public static ClientIdentity Next(string path, Disk disk)
    {
        ClientIdentity last = new(Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(IdBytes)), 0);
        if (File.Exists(path)) last = Read(path);
        ClientIdentity next = last with { Start = last.Start + 1 };
        disk.Write(path, JsonSerializer.SerializeToUtf8Bytes(next, JsonSerializerOptions.Web));
        return next;
    }

    private static ClientIdentity Read(string path)
    {
        try
        {
            if (JsonSerializer.Deserialize<ClientIdentity>(File.ReadAllBytes(path), JsonSerializerOptions.Web) is { Id.Length: 2 * IdBytes, Start: >= 0 } read
                && read.Id.All(char.IsAsciiHexDigitLower)) return read;
        }
        catch (JsonException)
        {
            // As if something else stood in it.
        }

        throw FedCoreException.Configuration(
            "client.folder", $"{path} does not say which client this is; it was damaged. Delete the file: the aggregator then takes this for another client, once the old one has been silent for a while.");
    }
}
