namespace FedCore.Privacy.Accounting.Pld;

/// <summary>
/// Two distributions over the real line, P and Q, that are at least as far apart as the results of a mechanism on any two neighbouring data sets (Zhu, Dong and Wang 2022,
/// definition 7), and whose privacy loss log(P/Q) rises with the result.
/// </summary>
internal interface IDominatingPair
{
    /// <summary>Whether the loss is distributed alike in both directions.</summary>
    bool IsSymmetric { get; }

    /// <summary>Between which losses all of P and of Q lies, but for a mass that does not count.</summary>
    (double Least, double Most) Range { get; }

    /// <summary>The hockey-stick divergence: the largest delta that an epsilon, which may be negative, leaves.</summary>
    double Delta(LossDirection direction, double epsilon);

    /// <summary>The masses of P and Q by their loss, from P's side.</summary>
    LossIntervals Intervals(double step);
}
