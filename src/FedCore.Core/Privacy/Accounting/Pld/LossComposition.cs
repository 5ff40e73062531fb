using System.Numerics;
using MathNet.Numerics.IntegralTransforms;

namespace FedCore.Privacy.Accounting.Pld;

/// <summary>
/// The distribution of the sum of independent privacy losses, by the fast Fourier transform (Koskela, Jalko and Honkela 2020), on a window outside of which lies next to nothing
/// (Chernoff's bound).
/// </summary>
internal static class LossComposition
{
    // What lies outside the window on each side counts as infinite loss: as a logarithm.
    private const double LogOutside = -37;

    private const double UnitRoundoff = 1.0 / (1L << 53);

    /// <summary>How many multiples of the step the window of a sum has; infinite where it cannot be told.</summary>
    public static double WindowLength(IReadOnlyList<(LossDistribution Loss, long Count)> losses)
    {
        (double least, double most) = Window(losses);
        return most - least + 1;
    }

    /// <summary>The sum.</summary>
    /// <param name="losses">Distributions on multiples of one step, and how often each counts.</param>
    public static LossDistribution Sum(IReadOnlyList<(LossDistribution Loss, long Count)> losses)
    {
        if (losses is [(LossDistribution only, 1)]) return only;
        (double least, double most) = Window(losses);
        long start = (long)least, length = (long)(most - least) + 1;
        int size = (int)BitOperations.RoundUpToPowerOf2((ulong)Math.Max(length, 2));
        var product = new Complex[size / 2 + 1];
        Array.Fill(product, Complex.One);
        var transform = new Complex[size];
        Int128 offset = 0;
        double finite = 0;
        foreach ((LossDistribution loss, long count) in losses)
        {
            Array.Clear(transform);
            for (int i = 0; i < loss.Mass.Length; i++) transform[i & (size - 1)] += loss.Mass[i];
            Fourier.Forward(transform, FourierOptions.AsymmetricScaling);
            for (int i = 0; i < product.Length; i++) product[i] *= count == 1 ? transform[i] : Power(transform[i], count);
            offset += (Int128)loss.First * count;
            finite += count * Elementary.LogP1(-loss.Infinite);
        }

        // The transform of real numbers is its own mirror image.
        for (int i = 0; i < size; i++) transform[i] = i < product.Length ? product[i] : Complex.Conjugate(product[size - i]);
        Fourier.Inverse(transform, FourierOptions.AsymmetricScaling);
        double[] mass = new double[length];
        int from = (int)(((start - offset) % size + size) % size);
        for (int i = 0; i < mass.Length; i++) mass[i] = Math.Max(0, transform[(from + i) & (size - 1)].Real);

        // Rounding in the powers is at most a few units for each time a loss counts.
        double rounding = 4 * UnitRoundoff * losses.Sum(loss => (double)loss.Count);
        return new LossDistribution(losses[0].Loss.Step, start, mass, Math.Min(1, -Elementary.ExpM1(finite) + 2 * Math.Exp(LogOutside) + rounding));
    }

    private static Complex Power(Complex value, long count)
    {
        double magnitude = value.Magnitude;
        return magnitude == 0 ? Complex.Zero : Complex.FromPolarCoordinates(Math.Exp(count * Math.Log(magnitude)), count * value.Phase);
    }

    // The multiples of the step between which the sum lies but for e^LogOutside on each side.
    private static (double Least, double Most) Window(IReadOnlyList<(LossDistribution Loss, long Count)> losses)
    {
        double step = losses[0].Loss.Step;
        double low = losses.Sum(loss => loss.Count * (double)loss.Loss.First);
        double high = losses.Sum(loss => loss.Count * (double)(loss.Loss.First + loss.Loss.Mass.Length - 1));
        double most = Math.Min(high, Math.Ceiling(Bound(losses, 1) / step)), least = Math.Max(low, Math.Floor(-Bound(losses, -1) / step));
        return (Math.Min(least, most), most);
    }

    // min over t > 0 of (log E e^(t x sign x loss) - LogOutside)/t, by golden section over log t: any t gives a bound.
    private static double Bound(IReadOnlyList<(LossDistribution Loss, long Count)> losses, int sign)
    {
        double best = double.PositiveInfinity;
        double At(double logOrder)
        {
            double order = Math.Exp(logOrder), bound = (losses.Sum(loss => loss.Count * loss.Loss.LogMoment(sign * order)) - LogOutside) / order;
            best = Math.Min(best, bound);
            return bound;
        }

        const double Golden = 0.6180339887498949;
        double a = Math.Log(1e-5), b = Math.Log(1e5), c = b - Golden * (b - a), d = a + Golden * (b - a), atC = At(c), atD = At(d);
        for (int i = 0; i < 24; i++)
        {
            if (atC < atD)
            {
                (b, d, atD) = (d, c, atC);
                atC = At(c = b - Golden * (b - a));
            }
            else
            {
                (a, c, atC) = (c, d, atD);
                atD = At(d = a + Golden * (b - a));
            }
        }

        return best;
    }
}
