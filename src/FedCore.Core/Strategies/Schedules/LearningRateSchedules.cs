using System.ComponentModel.DataAnnotations;

namespace FedCore.Strategies.Schedules;

/// <summary>A factor on the learning rate that depends on the round. Registered by name; public properties are its parameters.</summary>
public interface ILearningRateSchedule
{
    /// <summary>The factor for a round.</summary>
    /// <param name="round">The round, from 1.</param>
    /// <param name="rounds">How many rounds the run has.</param>
    /// <returns>The factor, 0 or more.</returns>
    double Factor(int round, int rounds);
}

/// <summary>The rate is multiplied by a factor every so many rounds.</summary>
public sealed class StepSchedule : ILearningRateSchedule
{
    /// <summary>Rounds between changes, at least 1.</summary>
    [Range(1, int.MaxValue)]
    public int Every { get; init; } = 10;

    /// <summary>The factor, above 0.</summary>
    [Range(0, double.MaxValue, MinimumIsExclusive = true)]
    public double Gamma { get; init; } = 0.5;

    /// <inheritdoc/>
    public double Factor(int round, int rounds) => Math.Pow(Gamma, (round - 1) / Every);
}

/// <summary>The rate is multiplied by a factor every round.</summary>
public sealed class ExponentialSchedule : ILearningRateSchedule
{
    /// <summary>The factor, above 0.</summary>
    [Range(0, double.MaxValue, MinimumIsExclusive = true)]
    public double Gamma { get; init; } = 0.99;

    /// <inheritdoc/>
    public double Factor(int round, int rounds) => Math.Pow(Gamma, round - 1);
}

/// <summary>After a linear warm-up the rate falls along a half cosine (Loshchilov and Hutter 2017) to a share of its first value.</summary>
public sealed class CosineSchedule : ILearningRateSchedule
{
    /// <summary>Rounds of warm-up, 0 or more.</summary>
    [Range(0, int.MaxValue)]
    public int WarmUp { get; init; }

    /// <summary>The share that is left at the end, from 0 to 1.</summary>
    [Range(0, 1)]
    public double Final { get; init; }

    /// <inheritdoc/>
    public double Factor(int round, int rounds)
    {
        if (round <= WarmUp) return round / (double)WarmUp;
        double progress = (round - 1 - WarmUp) / (double)Math.Max(1, rounds - 1 - WarmUp);
        return Final + (1 - Final) * 0.5 * (1 + Math.Cos(Math.PI * Math.Min(1, progress)));
    }
}
