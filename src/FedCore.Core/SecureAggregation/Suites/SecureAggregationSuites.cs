namespace FedCore.SecureAggregation.Suites;

/// <summary>The suites that this program has.</summary>
public static class SecureAggregationSuites
{
    /// <summary>Suite 1, P-256 with AES-256-GCM and SHA-256, which every program has.</summary>
    public static ISecureAggregationSuite Default => P256Suite.Instance;

    /// <summary>Finds a suite.</summary>
    /// <param name="id">Its number.</param>
    /// <returns>The suite; null where this program does not have it.</returns>
    public static ISecureAggregationSuite? Find(byte id) => id == Default.Id ? Default : null;
}
