using System.ComponentModel.DataAnnotations;
using FedCore.Strategies;

namespace FedCore.Rounds;

/// <summary>
/// Work by deadline: each client is told the most steps that it can finish in time by its own measured speed and link, so that nobody is waited for and nobody
/// works in vain. Clients whose speed is not known are told no limit.
/// </summary>
public sealed record WorkPlanning
{
    /// <summary>The share of the deadline that is kept free for what nobody can foresee.</summary>
    [Range(0, 0.9)]
    public double Margin { get; init; } = 0.1;

    /// <summary>The most steps that a client can finish.</summary>
    /// <param name="task">The task; with a batch of all examples a step takes a time that the server cannot know, and there is no limit.</param>
    /// <param name="client">The client.</param>
    /// <param name="deadlineSeconds">Seconds from the task until the update must be there.</param>
    /// <param name="downBytes">Bytes to the client.</param>
    /// <param name="upBytes">Bytes from the client.</param>
    /// <returns>The number of steps; 0 where not even one fits; null for no limit.</returns>
    internal int? StepsFor(ClientTask task, ClientDescriptor client, double deadlineSeconds, long downBytes, long upBytes)
    {
        if (client.ExamplesPerSecond is not { } speed || task.BatchSize == 0) return null;
        double transfer = downBytes / (client.DownBytesPerSecond ?? double.PositiveInfinity) + upBytes / (client.UpBytesPerSecond ?? double.PositiveInfinity);
        double steps = Math.Floor((deadlineSeconds * (1 - Margin) - transfer) * speed / task.BatchSize);
        return (int)Math.Clamp(steps, 0, int.MaxValue);
    }
}
