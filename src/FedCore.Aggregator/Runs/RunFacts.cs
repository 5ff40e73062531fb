using System.Text.Json;
using System.Text.Json.Serialization;

namespace FedCore.Aggregator.Runs;

/// <summary>What coordinators did with runs: the facts of the log's stream <c>runs</c>. What happened in a run is in a stream of its own.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "fact")]
[JsonDerivedType(typeof(RunCreated), "runCreated")]
[JsonDerivedType(typeof(RunHeld), "runHeld")]
[JsonDerivedType(typeof(RunCancelled), "runCancelled")]
internal abstract record RunFact(string Run)
{
    /// <summary>The log's stream.</summary>
    public const string Stream = "runs";

    /// <summary>How facts are written.</summary>
    public static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.Web) { RespectRequiredConstructorParameters = true };

    /// <summary>The log's stream of a run's own facts.</summary>
    public static string StreamOf(string run) => "run/" + run;
}

/// <summary>A run was defined.</summary>
/// <param name="Run">How it is called.</param>
/// <param name="At">When.</param>
/// <param name="Definition">The digest of its canonical definition, in the store.</param>
/// <param name="Sites">Its sites, in cohort order.</param>
/// <param name="Start">The digest of the model that it starts from, in the store; null where it draws one.</param>
internal sealed record RunCreated(string Run, DateTimeOffset At, string Definition, IReadOnlyList<string> Sites, string? Start) : RunFact(Run);

/// <summary>A run was paused, or goes on.</summary>
/// <param name="Run">How it is called.</param>
/// <param name="Paused">Whether it is held before its next round.</param>
internal sealed record RunHeld(string Run, bool Paused) : RunFact(Run);

/// <summary>A run was ended for good.</summary>
/// <param name="Run">How it is called.</param>
internal sealed record RunCancelled(string Run) : RunFact(Run);
