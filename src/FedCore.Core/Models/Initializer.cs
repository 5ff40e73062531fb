using FedCore.Numerics;

namespace FedCore.Models;

/// <summary>How a tensor's first values are drawn.</summary>
/// <param name="Bound">Values are uniform in [-bound, bound) around <paramref name="Center"/>; 0 for a constant.</param>
/// <param name="Center">The middle, or the constant.</param>
public readonly record struct Initializer(double Bound, double Center = 0)
{
    /// <summary>All zeros.</summary>
    public static Initializer Zero => default;

    /// <summary>Uniform in ±1/sqrt(fan-in): what PyTorch's linear and convolution layers do (Kaiming uniform with a = sqrt(5)).</summary>
    /// <param name="fanIn">Number of inputs that one output sums over, at least 1.</param>
    /// <returns>The initializer.</returns>
    public static Initializer FanIn(int fanIn) => new(1 / Math.Sqrt(fanIn));

    /// <summary>Fills a tensor.</summary>
    /// <param name="values">Where the values go.</param>
    /// <param name="random">Where the numbers come from.</param>
    public void Fill(Span<float> values, RandomStream random)
    {
        ArgumentNullException.ThrowIfNull(random);
        if (Bound == 0)
        {
            values.Fill((float)Center);
            return;
        }

        foreach (ref float value in values) value = (float)(Center + Bound * (2 * random.NextDouble() - 1));
    }
}
