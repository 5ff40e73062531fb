using FedCore.Privacy.Accounting.Events;
using FedCore.SecureAggregation.Messages;

namespace FedCore.SecureAggregation.Ring;

/// <summary>What noise a sum in the ring needs for differential privacy, and who adds it.</summary>
/// <param name="NoiseMultiplier">Standard deviation of the noise in the sum over the sum's Euclidean sensitivity, above 0.</param>
/// <param name="Sharers">How many clients share the noise, those whom the worst case leaves: together they add enough. 0 where whoever holds the sum adds all of it.</param>
public sealed record RingNoiseOptions(double NoiseMultiplier, int Sharers);

/// <summary>
/// Discrete Gaussian noise on a vector of the ring (Kairouz, Liu and Steinke 2021, section 5; Canonne, Kamath and Steinke 2020 for one who adds it all). All numbers are in units of the ring.
/// </summary>
public sealed record RingNoise
{
    // exp(-1/2): how often at least a rounded vector is short enough, so that rounding is tried again not often.
    private const double LogBeta = -0.5;

    // How much longer than the clip a rounded vector may be where the scale is free.
    private const double MostInflation = 1.01;

    // Of each client's noise: then a sum of discrete Gaussians cannot be told from one.
    private const double LeastSigma = 2;

    // How far it may be from one, over all numbers of the vector.
    private const double MostDistance = 1e-6;

    private RingNoise(RingNoiseOptions options, double squaredSensitivity, long length)
    {
        MostSquaredNorm = (ulong)squaredSensitivity;
        Length = length;
        Sharers = options.Sharers;
        Variance = checked((long)Math.Ceiling(options.NoiseMultiplier * options.NoiseMultiplier * squaredSensitivity / Math.Max(1, options.Sharers)));
    }

    /// <summary>The largest squared norm of a client's vector behind its rounding.</summary>
    public ulong MostSquaredNorm { get; }

    /// <summary>What one client changes at most: the root of <see cref="MostSquaredNorm"/>.</summary>
    public double Sensitivity => Math.Sqrt(MostSquaredNorm);

    /// <summary>The variance of the noise that each of the sharers adds, or whoever adds all of it.</summary>
    public long Variance { get; }

    /// <summary>How many clients share the noise at least; 0 where whoever holds the sum adds all of it.</summary>
    public int Sharers { get; }

    /// <summary>Whether each client adds its share.</summary>
    public bool IsShared => Sharers > 0;

    /// <summary>Numbers in the vector.</summary>
    public long Length { get; }

    /// <summary>What the noise protects from whoever sees the sum.</summary>
    /// <param name="honest">How many of those who added noise are honest, where it is shared.</param>
    /// <returns>The event.</returns>
    public PrivacyEvent EventOf(int honest) => IsShared
        ? new DistributedDiscreteGaussianEvent(Math.Sqrt(Variance), honest, Sensitivity, Length)
        : new DiscreteGaussianEvent(Math.Sqrt(Variance), Sensitivity, Length);

    /// <summary>The standard deviation of the noise in a sum.</summary>
    internal double SumDeviation(int clients) => Math.Sqrt((double)Variance * (IsShared ? clients : 1));

    internal static RingNoise Settle(RingNoiseOptions options, RingSection section, double scale)
    {
        // Rounding moves each number by less than one: the squared norm grows by d/4 in the mean, and seldom by more than its deviation allows (the paper, lemma 29 and proposition 26).
        double clipped = section.Bound * scale, root = Math.Sqrt(section.Length);
        double likely = clipped * clipped + section.Length / 4.0 + Math.Sqrt(-2 * LogBeta) * (clipped + root / 2), always = (clipped + root) * (clipped + root);
        return new RingNoise(options, Math.Min(likely, always), section.Length);
    }

    /// <summary>The smallest scale with which rounding adds no more than a hundredth to the sensitivity, and each client's noise is wide enough.</summary>
    internal static double SmallestScale(RingNoiseOptions options, RingSection section)
    {
        double excess = MostInflation * MostInflation - 1, linear = Math.Sqrt(-2 * LogBeta), constant = section.Length / 4.0 + linear * Math.Sqrt(section.Length) / 2;
        double forRounding = (linear + Math.Sqrt(linear * linear + 4 * excess * constant)) / (2 * excess), forNoise = LeastSigma * Math.Sqrt(Math.Max(1, options.Sharers)) / options.NoiseMultiplier;
        return Math.Max(forRounding, forNoise) / section.Bound;
    }

    /// <exception cref="FedCoreException">Each client's noise is too narrow for their sum to be one discrete Gaussian (<c>privacy.ring</c>).</exception>
    internal void Check(int clients)
    {
        if (!IsShared) return;
        double distance = new DistributedDiscreteGaussianEvent(Math.Sqrt(Variance), Math.Max(2, clients), Sensitivity, Length).Tau * Length;
        if (distance <= MostDistance) return;
        throw FedCoreException.Configuration("privacy.ring", FormattableString.Invariant(
            $"Each client's noise has a deviation of {Math.Sqrt(Variance):0.##} steps of the ring, which is too narrow for {clients} clients and {Length} numbers. ")
            + "Leave secureAggregation.bits and secureAggregation.scale out, or raise them.");
    }

    internal void AddTo(MessageWriter writer) => writer.Number((double)MostSquaredNorm).Number((double)Variance).Number(Sharers);
}
