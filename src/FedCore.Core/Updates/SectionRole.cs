namespace FedCore.Updates;

/// <summary>What a section of an update is for.</summary>
public enum SectionRole
{
    /// <summary>The change of the model's trainable tensors.</summary>
    Model,

    /// <summary>A vector of the strategy, such as a control variate.</summary>
    Control,

    /// <summary>The change of the model's buffers, such as running means.</summary>
    Buffer,

    /// <summary>The client's weight in the average.</summary>
    Weight,

    /// <summary>A number of the strategy, such as how far a client's steps reached.</summary>
    Statistic,

    /// <summary>A sum over examples, such as the loss.</summary>
    Metric,

    /// <summary>A one-hot count, so that sums over clients form a histogram.</summary>
    Indicator,
}

/// <summary>How a section enters the sum.</summary>
public enum Weighting
{
    /// <summary>As it is.</summary>
    None,

    /// <summary>Multiplied by the client's weight at the client, so that sum and weight form a weighted mean.</summary>
    Scalar,
}
