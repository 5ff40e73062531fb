using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using FedCore.Aggregation;
using FedCore.Models;
using FedCore.Rounds.Privacy;
using FedCore.Strategies;
using FedCore.Updates;

namespace FedCore.Rounds;

/// <summary>
/// A run as a file: everything that decides what is learned and how, readable by a person and approvable by a site. Its canonical bytes have a SHA-256
/// that every receipt and model carries.
/// </summary>
public record RunDefinition
{
    /// <summary>A short name for displays and files.</summary>
    [StringLength(100, MinimumLength = 1)]
    public required string Name { get; init; }

    /// <summary>What the run is for, in a sentence.</summary>
    public string? Description { get; init; }

    /// <summary>The public seed of everything that must repeat and protects nothing: initial weights, batches, simulated devices.</summary>
    public long Seed { get; init; }

    /// <summary>The model.</summary>
    public required ModelSpec Model { get; init; }

    /// <summary>The weights to start from; null to draw them.</summary>
    public StartCheckpoint? Start { get; init; }

    /// <summary>What clients' data must look like; null where the model's input says it all.</summary>
    public DataContract? Data { get; init; }

    /// <summary>The federated algorithm.</summary>
    public required IStrategy Strategy { get; init; }

    /// <summary>How updates become a sum.</summary>
    public IAggregator Aggregator { get; init; } = new WeightedMean();

    /// <summary>What happens to an update on its way, in this order: which numbers are sent, and in which format.</summary>
    public IReadOnlyList<IUpdateTransform> Transforms { get; init; } = [];

    /// <summary>Lets the run be held only under secure aggregation; null to allow sums in the clear.</summary>
    public SecureAggregationPolicy? SecureAggregation { get; init; }

    /// <summary>What the run promises about each client; null for nothing.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PrivacyPolicy? Privacy { get; init; }

    /// <summary>What the run needs to know of single clients.</summary>
    public IReadOnlyList<Disclosure> Disclosures { get; init; } = [];

    /// <summary>What each client does in a round.</summary>
    public required TrainingPlan Training { get; init; }

    /// <summary>How many rounds, with whom, and for how long.</summary>
    public required RoundPolicy Rounds { get; init; }

    /// <summary>How and when the global model is evaluated.</summary>
    public EvaluationPlan Evaluation { get; init; } = new();

    /// <summary>When to stop before the last round; null for never.</summary>
    public StopRule? Stop { get; init; }
}

/// <summary>Weights to start a run from.</summary>
public sealed record StartCheckpoint
{
    /// <summary>A safetensors file, relative to the run file.</summary>
    [StringLength(4096, MinimumLength = 1)]
    public required string Path { get; init; }

    /// <summary>The file's SHA-256 in hexadecimal digits; checked when it is given, and then part of what a site approves.</summary>
    [StringLength(64, MinimumLength = 64)]
    public string? Sha256 { get; init; }
}

/// <summary>A rule that ends a run early: at the first evaluation in which a metric is good enough.</summary>
public sealed record StopRule
{
    /// <summary>The metric, such as <c>accuracy</c> or <c>loss</c>.</summary>
    [StringLength(100, MinimumLength = 1)]
    public required string Metric { get; init; }

    /// <summary>Stop when the metric is at least this; null for no such limit.</summary>
    public double? AtLeast { get; init; }

    /// <summary>Stop when the metric is at most this; null for no such limit.</summary>
    public double? AtMost { get; init; }

    /// <summary>Whether an evaluation ends the run.</summary>
    /// <param name="value">The metric's value.</param>
    /// <returns>True if it does.</returns>
    internal bool IsMet(double value) => value >= AtLeast || value <= AtMost;
}
