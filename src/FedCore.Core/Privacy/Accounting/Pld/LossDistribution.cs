namespace FedCore.Privacy.Accounting.Pld;

/// <summary>A privacy loss distribution on multiples of a step.</summary>
/// <param name="step">The step, h.</param>
/// <param name="first">The first loss is <paramref name="first"/> h.</param>
/// <param name="mass">The mass at each multiple, from the first on.</param>
/// <param name="infinite">Mass with an infinite loss, where every truncated or uncertain mass counts.</param>
internal sealed class LossDistribution(double step, long first, double[] mass, double infinite)
{
    /// <summary>The step.</summary>
    public double Step => step;

    /// <summary>The multiple of the step that the first loss is.</summary>
    public long First => first;

    /// <summary>The masses.</summary>
    public ReadOnlySpan<double> Mass => mass;

    /// <summary>Mass with an infinite loss.</summary>
    public double Infinite => infinite;

    /// <summary>The variance of the loss where it is finite.</summary>
    public double Variance
    {
        get
        {
            double total = 0, sum = 0, squares = 0;
            for (int i = 0; i < mass.Length; i++)
            {
                total += mass[i];
                sum += mass[i] * i;
            }

            double mean = sum / total;
            for (int i = 0; i < mass.Length; i++) squares += mass[i] * (i - mean) * (i - mean);
            return squares / total * step * step;
        }
    }

    /// <summary>The logarithm of the mean of e^(order x loss), of what is finite.</summary>
    public double LogMoment(double order)
    {
        double top = order * step * (order > 0 ? first + mass.Length - 1 : first), sum = 0;
        for (int i = 0; i < mass.Length; i++)
            if (mass[i] > 0) sum += mass[i] * Math.Exp(order * step * (first + i) - top);
        return top + Math.Log(sum);
    }

    /// <summary>The delta of an epsilon: the mean of (1 - e^(epsilon - loss)) over losses above it.</summary>
    public double Delta(double epsilon)
    {
        double sum = 0;
        for (int i = mass.Length - 1; i >= 0 && (first + i) * step > epsilon; i--) sum -= mass[i] * Elementary.ExpM1(epsilon - (first + i) * step);
        return Math.Min(1, infinite + sum);
    }

    /// <summary>The smallest epsilon, at least 0, whose delta is at most this.</summary>
    public double Epsilon(double delta)
    {
        if (infinite > delta) return double.PositiveInfinity;

        // From the largest loss down: between two losses, delta is all mass above less e^(epsilon - loss) times the mass above that is discounted by its distance from the upper one.
        double above = infinite, discounted = 0, shrink = Math.Exp(-step);
        for (int i = mass.Length - 1; i >= 0 && first + i > 0; i--)
        {
            double loss = (first + i) * step;
            above += mass[i];
            discounted = discounted * shrink + mass[i];
            if (above - discounted * shrink > delta || (i == 0 && above > delta)) return Math.Max(0, loss + Math.Log((above - delta) / discounted));
        }

        return 0;
    }
}
