using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Rdp;
using MathNet.Numerics.RootFinding;

namespace FedCore.Privacy.Accounting;

/// <summary>How much noise a budget needs, and how much a budget buys.</summary>
public static class Calibration
{
    private const double LeastNoise = 1e-3, MostNoise = 1e6, Precision = 1e-8;

    // How near the noise is found that another accountant begins with, and where the smallest is looked for below it: most often it is less than a fifth away.
    private const double QuickPrecision = 1e-3, Near = 0.8;

    /// <summary>The smallest noise multiplier that keeps a budget.</summary>
    /// <param name="events">Everything that is done, by noise multiplier; the more noise, the less it must cost.</param>
    /// <param name="accountant">Makes an accountant without events.</param>
    /// <param name="epsilon">The budget, above 0.</param>
    /// <param name="delta">The delta, above 0 and below 1.</param>
    /// <returns>The noise multiplier: within 1e-8 of the smallest, relative, and never below it; 0.001 where that or less would do.</returns>
    /// <exception cref="FedCoreException">No noise multiplier up to a million keeps the budget (<c>privacy.unreachable</c>).</exception>
    public static double NoiseMultiplier(Func<double, IReadOnlyList<PrivacyEvent>> events, Func<PrivacyAccountant> accountant, double epsilon, double delta)
    {
        ArgumentNullException.ThrowIfNull(events);
        ArgumentNullException.ThrowIfNull(accountant);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(epsilon);

        double SpentAt(double noise, PrivacyAccountant made)
        {
            foreach (PrivacyEvent happened in events(noise)) made.Record(happened);
            return made.Epsilon(delta);
        }

        FedCoreException Unreachable() => FedCoreException.Configuration(
            "privacy.unreachable", FormattableString.Invariant($"No noise multiplier up to {MostNoise} keeps epsilon {epsilon} at delta {delta}. Raise epsilon or delta, or do less."));

        // Distributions of the loss take up to seconds each, and Renyi divergences, which are above them, next to nothing: these say where to begin.
        NeighboringRelation relation = accountant().Relation;
        double start = 1;
        bool isBracketed = accountant() is not RdpAccountant && events(1).All(new RdpAccountant(relation).Supports);
        if (isBracketed)
        {
            double? above = Smallest(noise => SpentAt(noise, new RdpAccountant(relation)), epsilon, 1, 0.5, QuickPrecision);
            if (above is null && SpentAt(MostNoise, accountant()) > epsilon) throw Unreachable();
            start = above ?? start;
        }

        return Smallest(noise => SpentAt(noise, accountant()), epsilon, start, isBracketed ? Near : 0.5, Precision) ?? throw Unreachable();
    }

    // From above, since little noise takes long to reckon with. Null where no noise keeps the budget.
    private static double? Smallest(Func<double, double> spentAt, double epsilon, double start, double below, double precision)
    {
        double high = start, atHigh = spentAt(high), low = 0, atLow = double.PositiveInfinity;
        while (atHigh > epsilon)
        {
            if (high >= MostNoise) return null;
            (low, atLow, high) = (high, atHigh, 2 * high);
            atHigh = spentAt(high);
        }

        for (double next = Math.Max(LeastNoise, below * high); low == 0; next = Math.Max(LeastNoise, next / 2))
        {
            double atNext = spentAt(next);
            if (atNext > epsilon) (low, atLow) = (next, atNext);
            else if (next == LeastNoise) return next;
            else (high, atHigh) = (next, atNext);
        }

        // The logarithm of epsilon over that of the noise is nearly a line. What is found may be a little on the wrong side.
        double logLow = Math.Log(low), logHigh = Math.Log(high);
        double Excess(double logNoise) => Math.Log(Math.Clamp((logNoise == logLow ? atLow : logNoise == logHigh ? atHigh : spentAt(Math.Exp(logNoise))) / epsilon, 1e-3, 1e3));
        double noise = Math.Exp(Brent.FindRoot(Excess, logLow, logHigh, precision / 10, 200));
        while (spentAt(noise) > epsilon) noise *= 1 + precision / 4;
        return noise;
    }

    /// <summary>How often something can be done before a budget is spent.</summary>
    /// <param name="happened">What is done each time.</param>
    /// <param name="accountant">Makes an accountant, with what is spent already.</param>
    /// <param name="epsilon">The budget, at least 0.</param>
    /// <param name="delta">The delta, above 0 and below 1.</param>
    /// <param name="most">No more is looked for.</param>
    /// <returns>The largest number that keeps the budget; <paramref name="most"/> where that and more would.</returns>
    public static long Count(PrivacyEvent happened, Func<PrivacyAccountant> accountant, double epsilon, double delta, long most = 1L << 40)
    {
        ArgumentNullException.ThrowIfNull(happened);
        ArgumentNullException.ThrowIfNull(accountant);
        ArgumentOutOfRangeException.ThrowIfNegative(epsilon);
        ArgumentOutOfRangeException.ThrowIfNegative(most);

        bool Keeps(long count)
        {
            PrivacyAccountant made = accountant();
            made.Record(happened, count);
            return made.Epsilon(delta) <= epsilon;
        }

        return Largest(Keeps, most);
    }

    /// <summary>The largest count that keeps a budget, looked for from below, since much of what costs much takes long to reckon with.</summary>
    /// <param name="keeps">Whether a count keeps it; if one does, all below it do.</param>
    /// <param name="most">No more is looked for.</param>
    internal static long Largest(Func<long, bool> keeps, long most)
    {
        long low = 0, high = 1;
        while (high <= most && keeps(high)) (low, high) = (high, 2 * high);
        if (high > most)
        {
            if (keeps(most)) return most;
            high = most;
        }

        while (high - low > 1)
        {
            long middle = low + (high - low) / 2;
            if (keeps(middle)) low = middle;
            else high = middle;
        }

        return low;
    }
}
