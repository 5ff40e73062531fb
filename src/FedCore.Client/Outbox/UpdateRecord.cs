using System.Text.Json.Serialization;

namespace FedCore.Client.Outbox;

/// <summary>What is written down of an update beside its bytes: enough to send it, and to ask what became of it, without the run.</summary>
internal sealed record UpdateRecord
{
    /// <summary>The task that it answers.</summary>
    public required string Task { get; init; }

    /// <summary>The run, as its coordinator named it.</summary>
    public required string Run { get; init; }

    /// <summary>The run's hash, 64 hexadecimal digits.</summary>
    public required string Hash { get; init; }

    /// <summary>Whether it answers a training task, not an evaluation or an exchange.</summary>
    public required bool IsTraining { get; init; }

    /// <summary>Whether it answers a message of a secure sum.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IsExchange { get; init; }

    /// <summary>The round, from 1.</summary>
    public required int Round { get; init; }

    /// <summary>The client's place in the cohort, from 0.</summary>
    public required int Position { get; init; }

    /// <summary>SHA-256 of the update, 64 hexadecimal digits.</summary>
    public required string Digest { get; init; }

    /// <summary>Bytes of the update.</summary>
    public required long Length { get; init; }

    /// <summary>Steps that were taken; null where the run does not disclose timing.</summary>
    public int? Steps { get; init; }

    /// <summary>Steps that the task came to; null where the run does not disclose timing.</summary>
    public int? PlannedSteps { get; init; }

    /// <summary>When it was finished, by this machine's clock.</summary>
    public required DateTimeOffset Finished { get; init; }

    /// <summary>Whether the client has learned something that counts only if the update does.</summary>
    public bool KeepsState { get; init; }

    /// <summary>Whether the result stays here until it has been summed securely; the update is a word then.</summary>
    public bool Withholds { get; init; }

    /// <summary>Of a result that stays here: SHA-256 of what the site was given to do for it, 64 hexadecimal digits.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Assignment { get; init; }

    /// <summary>The norm to which the update was scaled down, where the run's clip adapts.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? UpdateClip { get; init; }

    /// <summary>Whether something of it stays here when it was acknowledged.</summary>
    [JsonIgnore]
    public bool IsKept => KeepsState || Withholds;

    /// <summary>The activity that it came from, in the form of W3C Trace Context; null where nobody wants to know.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Activity { get; init; }

    /// <summary>The folder of what the client keeps of the run. Another definition under the same name is another run.</summary>
    public string StateFolder => StateFolderOf(Run, Hash);

    /// <inheritdoc cref="StateFolder"/>
    public static string StateFolderOf(string run, string hash) => $"{run}-{hash.AsSpan(0, 16)}";
}
