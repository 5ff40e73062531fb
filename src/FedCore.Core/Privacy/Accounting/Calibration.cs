using FedCore.Privacy.Accounting.Events;
using MathNet.Numerics.RootFinding;

namespace FedCore.Privacy.Accounting;

/// <summary>How much noise a budget needs, and how much a budget buys.</summary>
public static class Calibration
{
    private const double LeastNoise = 1e-3, MostNoise = 1e6, Precision = 1e-8;

    /// <summary>The smallest noise multiplier that keeps a budget.</summary>
    /// <param name="events">Everything that is done, by noise multiplier; the more noise, the less it must cost.</param>
    /// <param name="accountant">Makes an accountant without events.</param>
    /// <param name="epsilon">The budget, above 0.</param>
    /// <param name="delta">The delta, above 0 and below 1.</param>
    /// <returns>The noise multiplier: within 1e-8 of the smallest, relative, and never below it.</returns>
    /// <exception cref="FedCoreException">No noise keeps the budget (<c>privacy.unreachable</c>).</exception>
    public static double NoiseMultiplier(Func<double, IReadOnlyList<PrivacyEvent>> events, Func<PrivacyAccountant> accountant, double epsilon, double delta)
    {
        ArgumentNullException.ThrowIfNull(events);
        ArgumentNullException.ThrowIfNull(accountant);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(epsilon);

        // From above, since little noise takes long to reckon with.
        double SpentAt(double noise)
        {
            PrivacyAccountant made = accountant();
            foreach (PrivacyEvent happened in events(noise)) made.Record(happened);
            return made.Epsilon(delta);
        }


        double high = 1;
        while (SpentAt(high) > epsilon)
        {
            if (high >= MostNoise)
                throw FedCoreException.Configuration("privacy.unreachable", FormattableString.Invariant($"No noise keeps epsilon {epsilon} at delta {delta}. Raise epsilon or delta, or do less."));
            high *= 2;
        }

        double low = high / 2;
        while (SpentAt(low) <= epsilon)
        {
            if (low < LeastNoise) return low;
            (low, high) = (low / 2, low);
        }

        // The logarithm of epsilon over that of the noise is nearly a line. What is found may be a little on the wrong side.
        double Excess(double logNoise) => Math.Log(Math.Clamp(SpentAt(Math.Exp(logNoise)) / epsilon, 1e-3, 1e3));
        double noise = Math.Exp(Brent.FindRoot(Excess, Math.Log(low), Math.Log(high), Precision / 10, 200));
        while (SpentAt(noise) > epsilon) noise *= 1 + Precision / 4;
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
