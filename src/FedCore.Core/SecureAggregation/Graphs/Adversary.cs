namespace FedCore.SecureAggregation.Graphs;

/// <summary>Whom the parameters of secure aggregation withstand, beside a share of the clients that he controls.</summary>
public enum Adversary
{
    /// <summary>Nobody: the threshold only tolerates clients that vanish.</summary>
    None,

    /// <summary>An aggregator that follows the protocol and reads along.</summary>
    Curious,

    /// <summary>An aggregator that lies once the graph is there, such as by telling clients of different survivors.</summary>
    SplitView,
}
