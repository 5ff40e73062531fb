namespace FedCore.SecureAggregation.Messages;

/// <summary>What a session of secure aggregation sums.</summary>
public enum SumPurpose
{
    /// <summary>Updates of a round.</summary>
    Update = 1,

    /// <summary>Metrics of the model behind a round.</summary>
    Evaluation = 2,
}
