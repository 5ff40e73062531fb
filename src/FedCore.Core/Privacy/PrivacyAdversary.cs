namespace FedCore.Privacy;

/// <summary>Against whom an epsilon holds.</summary>
public enum PrivacyAdversary
{
    /// <summary>Those who get the model, of every round, and nothing else.</summary>
    Recipients,

    /// <summary>The aggregator, who sees who takes part and the sum of every round.</summary>
    Aggregator,
}
