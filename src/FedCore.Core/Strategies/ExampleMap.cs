namespace FedCore.Strategies;

/// <summary>Numbers that are made of an example, each example by itself, whose mean over a site's examples a strategy asks for. No longer than a bound, so that one example changes little.</summary>
public abstract class ExampleMap
{
    /// <summary>How many numbers, at least 1.</summary>
    public abstract int Length { get; }

    /// <summary>The largest Euclidean norm of an example's numbers; what is longer is scaled down to it.</summary>
    public abstract double Bound { get; }

    /// <summary>Makes the numbers of an example. What is not finite counts as 0.</summary>
    /// <param name="features">The example's features.</param>
    /// <param name="label">Its label; a class is its number.</param>
    /// <param name="target">Receives <see cref="Length"/> numbers, zeros before.</param>
    public abstract void Map(ReadOnlySpan<float> features, ReadOnlySpan<float> label, Span<double> target);
}
