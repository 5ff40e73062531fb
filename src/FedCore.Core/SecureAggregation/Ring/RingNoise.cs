using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Sampling;
using FedCore.SecureAggregation.Messages;

namespace FedCore.SecureAggregation.Ring;

/// <summary>What noise a sum in the ring needs for differential privacy, and who adds it.</summary>
/// <param name="NoiseMultiplier">Standard deviation of the noise in the sum over the sum's Euclidean sensitivity, above 0.</param>
/// <param name="Sharers">How many clients share the noise, those whom the worst case leaves: together they add enough. 0 where whoever holds the sum adds all of it.</param>
public sealed record RingNoiseOptions(double NoiseMultiplier, int Sharers)
{
    /// <summary>Standard deviation of the noise on the number of clients whose update was within the clip; null where they are not counted.</summary>
    public double? CountNoise { get; init; }

    /// <summary>How many such noises can be in one sum; above 1 where what is added to it is a change of the noise in all sums so far, whose steps are then the same in every round.</summary>
    public int MostAtOnce { get; init; } = 1;
}

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

    // Of the clip, where they must not change from round to round.
    private const double LeastSteps = 1 << 16;

    // How far it may be from one, over all numbers of the vector.
    private const double MostDistance = 1e-6;

    private RingNoise(RingNoiseOptions options, double squaredSensitivity, long length)
    {
        MostSquaredNorm = (ulong)squaredSensitivity;
        Length = length;
        Sharers = options.Sharers;
        if (options.CountNoise is { } count) CountVariance = checked((long)Math.Ceiling(count * count * CountScale * CountScale / Math.Max(1, options.Sharers)));
        double variance = options.NoiseMultiplier * options.NoiseMultiplier * squaredSensitivity / Math.Max(1, options.Sharers);
        Variance = checked((long)(IsShared ? Math.Ceiling(variance) : DiscreteGaussianSampler.VarianceFor(variance)));
    }

    /// <summary>Steps of a client of the count of those whose update was within the clip.</summary>
    internal const double CountScale = 1 << 16;

    /// <summary>The largest squared norm of a client's vector behind its rounding.</summary>
    public ulong MostSquaredNorm { get; }

    /// <summary>What one client changes at most: the root of <see cref="MostSquaredNorm"/>.</summary>
    public double Sensitivity => Math.Sqrt(MostSquaredNorm);

    /// <summary>The variance of the noise that each of the sharers adds, or whoever adds all of it.</summary>
    public long Variance { get; }

    /// <summary>The variance of the noise that each of them, or whoever adds all of it, adds to the count of those within the clip; 0 where there is no count.</summary>
    public long CountVariance { get; }

    /// <summary>How many clients share the noise at least; 0 where whoever holds the sum adds all of it.</summary>
    public int Sharers { get; }

    /// <summary>Whether each client adds its share.</summary>
    public bool IsShared => Sharers > 0;

    /// <summary>Numbers in the vector.</summary>
    public long Length { get; }

    /// <summary>What the noise protects from whoever sees the sum.</summary>
    /// <param name="honest">How many of those who added noise are honest, where it is shared.</param>
    /// <returns>The event.</returns>
    public PrivacyEvent EventOf(int honest)
    {
        double sensitivity = Sensitivity;
        long length = Length;
        if (CountVariance > 0)
        {
            // A client changes the count by half a step of its own, whose noise is as one more number's, brought to the same width.
            double count = CountScale / 2 * Math.Sqrt((double)Variance / CountVariance);
            sensitivity = Math.Sqrt(sensitivity * sensitivity + count * count);
            length++;
        }

        return IsShared
            ? new DistributedDiscreteGaussianEvent(Math.Sqrt(Variance), honest, sensitivity, length)
            : new DiscreteGaussianEvent(Math.Sqrt(Variance), sensitivity, length);
    }

    internal static RingNoise Settle(RingNoiseOptions options, RingSection section, double scale) => new(options, SquaredSensitivity(section, scale), section.Length);

    /// <summary>The fewest bits in which the sum of so many clients has room, with its noise.</summary>
    internal static int LeastBits(RingNoiseOptions options, RingSection section, double scale, int clients)
    {
        double sensitivity = Math.Sqrt(SquaredSensitivity(section, scale)), adders = options.Sharers > 0 ? (double)clients / options.Sharers : options.MostAtOnce;
        return RingEncoding.LeastBits(clients, sensitivity, 1, options.NoiseMultiplier * sensitivity * Math.Sqrt(adders), section.Length);
    }

    private static double SquaredSensitivity(RingSection section, double scale)
    {
        // Rounding moves each number by less than one: the squared norm grows by d/4 in the mean, and seldom by more than its deviation allows (the paper, lemma 29 and proposition 26).
        double clipped = section.Bound * scale, root = Math.Sqrt(section.Length);
        double likely = clipped * clipped + section.Length / 4.0 + Math.Sqrt(-2 * LogBeta) * (clipped + root / 2), always = (clipped + root) * (clipped + root);
        return Math.Min(likely, always);
    }

    /// <summary>The smallest scale with which rounding adds no more than a hundredth to the sensitivity, and each client's noise is wide enough.</summary>
    internal static double SmallestScale(RingNoiseOptions options, RingSection section)
    {
        // Steps that are the same in every round do not follow from how many clients there are; so many make a discrete Gaussian as good as a continuous one.
        double least = options.MostAtOnce > 1 ? LeastSteps : 0;
        double excess = MostInflation * MostInflation - 1, linear = Math.Sqrt(-2 * LogBeta), constant = section.Length / 4.0 + linear * Math.Sqrt(section.Length) / 2;
        double forRounding = (linear + Math.Sqrt(linear * linear + 4 * excess * constant)) / (2 * excess), forNoise = LeastSigma * Math.Sqrt(Math.Max(1, options.Sharers)) / options.NoiseMultiplier;
        return Math.Max(least, Math.Max(forRounding, forNoise)) / section.Bound;
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

    internal void AddTo(MessageWriter writer) => writer.Number((double)MostSquaredNorm).Number((double)Variance).Number((double)CountVariance).Number(Sharers);
}
