using System.Text.Json;
using FedCore.Client.Storage;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Sessions;

namespace FedCore.Client.SecureSums;

/// <summary>
/// The sums of a run that the site has taken part in, in a file that is on the disk before anything that depends on it leaves. It stays when the run is over: it is the site's word
/// against that of an aggregator that says that there was no sum yet.
/// </summary>
internal sealed class KeptHistory : SessionHistory
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { RespectRequiredConstructorParameters = true };

    private readonly string _path, _assignment;
    private readonly Disk _disk;
    private readonly Sums _known;

    private KeptHistory(string path, string assignment, Disk disk, Sums known)
        : base(known.Round, known.Attempt, known.Revealed) => (_path, _assignment, _disk, _known) = (path, assignment, disk, known);

    /// <summary>Whether what came of the same assignment was summed last, in another round: the same model's metrics are the same again.</summary>
    public bool HasSummed => _known.Assignment == _assignment;

    /// <summary>Opens a history, which is empty where there is none.</summary>
    /// <param name="folder">The client's folder.</param>
    /// <param name="run">The run, as its coordinator named it.</param>
    /// <param name="hash">Its hash, 64 hexadecimal digits.</param>
    /// <param name="purpose">What is summed.</param>
    /// <param name="assignment">The hash of what the site was given to do for it, in hexadecimal digits.</param>
    /// <exception cref="FedCoreException">The file cannot be read (<c>client.history</c>): nobody knows what it would forbid.</exception>
    public static KeptHistory Open(DataFolder folder, string run, string hash, SumPurpose purpose, string assignment)
    {
        string path = Path.Combine(folder.Sums, $"{run}-{hash}-{purpose.ToString().ToLowerInvariant()}.json");
        try
        {
            Sums known = File.Exists(path) ? JsonSerializer.Deserialize<Sums>(File.ReadAllBytes(path), Json) ?? throw new JsonException("It is null.") : new Sums(0, 0, 0, null);
            if (known.Round < 0 || known.Attempt < 0 || known.Revealed < 0) throw new JsonException("A number of it is below 0.");
            return new KeptHistory(path, assignment, folder.Disk, known);
        }
        catch (JsonException fault)
        {
            throw FedCoreException.Configuration(
                "client.history", $"{Shown.Of(path, 400)} is damaged ({Shown.Of(fault.Message.TrimEnd('.'), 200)}): nobody knows in which sums the site has taken part. It takes part in no more of this run; a new run has a history of its own.", fault);
        }
    }

    protected override void Keep(int round, int attempt, int revealed) =>
        _disk.Write(_path, JsonSerializer.SerializeToUtf8Bytes(new Sums(round, attempt, revealed, revealed == _known.Revealed ? _known.Assignment : _assignment), Json));

    /// <summary>What is written down.</summary>
    /// <param name="Round">The round of the last session.</param>
    /// <param name="Attempt">Its attempt.</param>
    /// <param name="Revealed">The last round whose sum the site helped to unmask; 0 for none.</param>
    /// <param name="Assignment">The hash of what the site was given to do for that; null for none.</param>
    private sealed record Sums(int Round, int Attempt, int Revealed, string? Assignment);
}
