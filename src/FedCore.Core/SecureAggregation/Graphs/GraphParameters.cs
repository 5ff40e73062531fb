namespace FedCore.SecureAggregation.Graphs;

/// <summary>How many neighbours a client masks its vector against, and how many of those who hold a share of its secrets can recover one.</summary>
/// <param name="Degree">Neighbours of each client: an even number, or one less than the clients where everybody is everybody's neighbour.</param>
/// <param name="Threshold">Shares that recover a secret, at least 2.</param>
public readonly record struct GraphParameters(int Degree, int Threshold);
