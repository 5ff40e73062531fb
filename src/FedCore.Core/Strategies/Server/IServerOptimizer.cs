using FedCore.Updates;

namespace FedCore.Strategies.Server;

/// <summary>
/// How the server moves the global model along the clients' mean change: a step of an optimizer whose gradient is minus that change (Reddi et al. 2021,
/// algorithm 1). Registered by name; public settable properties are its parameters. What it must remember lives in <see cref="ServerState"/>.
/// </summary>
public interface IServerOptimizer
{
    /// <summary>Whether the step is a fixed multiple of the mean change, so that the new model is linear in the updates.</summary>
    bool IsLinear => false;

    /// <summary>Moves the global model.</summary>
    /// <param name="state">The model and what the optimizer remembers.</param>
    /// <param name="change">The clients' mean change.</param>
    void Step(ServerState state, MeanChange change);
}

/// <summary>The mean change of the model: the sum of the clients' weighted changes and the factor that makes it a mean.</summary>
/// <param name="Sum">The sum, with a section <see cref="Section.Model"/>.</param>
/// <param name="Scale">One over the sum of weights, for a weighted mean.</param>
public readonly record struct MeanChange(UpdateSum Sum, double Scale)
{
    /// <summary>The sum at a place of the model; the mean change is <see cref="Scale"/> times as much.</summary>
    /// <param name="offset">First element within the model's trainable values.</param>
    /// <param name="count">Number of elements.</param>
    /// <returns>The view.</returns>
    public ReadOnlySpan<float> SumAt(long offset, int count) => Sum.Slice(Section.Model, offset, count);
}
