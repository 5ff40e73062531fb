namespace FedCore.Privacy.Accounting.Pld;

/// <summary>How much of P and of Q has a loss log(P/Q) in each interval [i h, (i+1) h).</summary>
/// <param name="step">The width of intervals, h.</param>
/// <param name="first">The first interval's i.</param>
/// <param name="count">Intervals.</param>
internal sealed class LossIntervals(double step, long first, int count)
{
    /// <summary>Mass of P by interval.</summary>
    public double[] P { get; } = new double[count];

    /// <summary>Mass of Q by interval.</summary>
    public double[] Q { get; } = new double[count];

    /// <summary>Mass of P and Q below the first interval; of Q, also that without P.</summary>
    public (double P, double Q) Below { get; set; }

    /// <summary>Mass of P and Q above the last interval; of P, also that without Q.</summary>
    public (double P, double Q) Above { get; set; }

    /// <summary>Adds the mass of one result, which lies where its loss is.</summary>
    public void Add(double p, double q)
    {
        double place = Math.Floor((Math.Log(p) - Math.Log(q)) / step) - first;
        if (q == 0 || place >= P.Length) Above = (Above.P + p, Above.Q + q);
        else if (p == 0 || place < 0) Below = (Below.P + p, Below.Q + q);
        else
        {
            P[(int)place] += p;
            Q[(int)place] += q;
        }
    }

    /// <summary>
    /// The loss rounded to whole multiples of the step so that no delta is understated: each interval's mass goes to its two ends so that the masses of both P and Q stay what they are,
    /// which connects the points of delta over e^epsilon by straight lines (Doroshenko et al. 2022, algorithm 1).
    /// </summary>
    /// <param name="direction">Whose loss.</param>
    public LossDistribution Round(LossDirection direction)
    {
        bool isAdd = direction == LossDirection.Add;
        double[] from = isAdd ? Q : P, against = isAdd ? P : Q, mass = new double[count + 1];
        (double least, double infinite) = isAdd ? (Above.Q, Below.Q) : (Below.P, Above.P);
        long start = isAdd ? -(first + count) : first;
        double share = -Elementary.ExpM1(-step);
        mass[0] = least;
        for (int i = 0; i < count; i++)
        {
            int source = isAdd ? count - 1 - i : i;
            double all = from[source], upper = Math.Clamp((all - against[source] * Math.Exp((start + i) * step)) / share, 0, all);
            mass[i] += all - upper;
            mass[i + 1] += upper;
        }

        return new LossDistribution(step, start, mass, infinite);
    }
}
