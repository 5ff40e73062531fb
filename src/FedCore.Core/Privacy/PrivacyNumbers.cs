namespace FedCore.Privacy;

/// <summary>What the numbers of a privacy budget can be: each out of range has a message and a code of its own.</summary>
public static class PrivacyNumbers
{
    /// <summary>The code of what would go past a budget.</summary>
    public const string Budget = "privacy.budget";

    /// <summary>The code of one more use of somebody's data than is allowed.</summary>
    public const string Participations = "privacy.participations";

    /// <summary>The code of a use of somebody's data too soon behind the last.</summary>
    public const string Separation = "privacy.separation";

    private const double MostNoise = 1e6, LeastClip = 1e-6, MostClip = 1e9;

    /// <summary>More than this says nothing that a bound is for.</summary>
    public const double MostEpsilon = 1000;

    /// <summary>An epsilon.</summary>
    /// <param name="value">The number.</param>
    /// <param name="name">What it is called where it was given.</param>
    /// <returns>The number.</returns>
    /// <exception cref="FedCoreException">It is not above 0 and at most 1000 (<c>privacy.epsilon</c>).</exception>
    public static double Epsilon(double value, string name) => value is > 0 and <= MostEpsilon
        ? value
        : throw Refused("privacy.epsilon", FormattableString.Invariant($"{name} is {value}, but it is above 0 and at most {MostEpsilon}. Strict budgets are near 1, common ones from 2 to 10."));

    /// <summary>A delta.</summary>
    /// <param name="value">The number.</param>
    /// <param name="name">What it is called where it was given.</param>
    /// <returns>The number.</returns>
    /// <exception cref="FedCoreException">It is not above 0 and below 1 (<c>privacy.delta</c>).</exception>
    public static double Delta(double value, string name) => value is > 0 and < 1
        ? value
        : throw Refused("privacy.delta", FormattableString.Invariant($"{name} is {value}, but it is above 0 and below 1. Choose less than 1 over the number of those who are protected, such as 1e-6."));

    /// <summary>A noise multiplier.</summary>
    /// <param name="value">The number.</param>
    /// <param name="name">What it is called where it was given.</param>
    /// <returns>The number.</returns>
    /// <exception cref="FedCoreException">It is not above 0 and at most a million (<c>privacy.noise-multiplier</c>).</exception>
    public static double NoiseMultiplier(double value, string name) => value is > 0 and <= MostNoise
        ? value
        : throw Refused("privacy.noise-multiplier", FormattableString.Invariant($"{name} is {value}, but it is above 0 and at most {MostNoise}: the noise's standard deviation over the clip, such as 1."));

    /// <summary>A sampling rate.</summary>
    /// <param name="value">The number.</param>
    /// <param name="name">What it is called where it was given.</param>
    /// <returns>The number.</returns>
    /// <exception cref="FedCoreException">It is not above 0 and at most 1 (<c>privacy.sampling-rate</c>).</exception>
    public static double SamplingRate(double value, string name) => value is > 0 and <= 1
        ? value
        : throw Refused("privacy.sampling-rate", FormattableString.Invariant($"{name} is {value}, but it is above 0 and at most 1: the probability with which one takes part, such as 0.01."));

    /// <summary>A clip.</summary>
    /// <param name="value">The number.</param>
    /// <param name="name">What it is called where it was given.</param>
    /// <returns>The number.</returns>
    /// <exception cref="FedCoreException">It is not above 0, or beyond what floating-point numbers tell apart well (<c>privacy.clip</c>).</exception>
    public static double Clip(double value, string name) => value is >= LeastClip and <= MostClip
        ? value
        : throw Refused("privacy.clip", FormattableString.Invariant($"{name} is {value}, but it is above 0, from {LeastClip} to {MostClip}: the largest Euclidean norm of one contribution, such as 0.5. With a clip of 0 nothing would be learned."));

    /// <summary>Why a delta promises too little for so many; null where it does not.</summary>
    /// <param name="delta">The delta.</param>
    /// <param name="protectedUnits">How many are protected.</param>
    /// <returns>The reason.</returns>
    public static string? DeltaWarning(double delta, long protectedUnits) => delta * protectedUnits <= 1 ? null : FormattableString.Invariant(
        $"delta is {delta}, which is more than 1/{protectedUnits}: a mechanism that publishes one of {protectedUnits} contributions as it is would keep to it. Choose less than {1.0 / protectedUnits:0.#e+0}.");

    private static FedCoreException Refused(string code, string message) => FedCoreException.Configuration(code, message);
}
