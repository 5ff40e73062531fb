namespace FedCore.Privacy.Accounting.Rdp;

/// <summary>The orders at which Renyi divergences are kept. Any set of them gives an upper bound; a denser one, a lower one.</summary>
public static class RenyiOrders
{
    /// <summary>1.1 to 10.9 by tenths, 11 to 63, and powers of two up to 1024: from strict budgets to lavish ones.</summary>
    public static IReadOnlyList<double> Default { get; } =
        [.. Enumerable.Range(1, 99).Select(tenth => 1 + tenth / 10.0), .. Enumerable.Range(11, 53).Select(order => (double)order), 128, 256, 512, 1024];
}
