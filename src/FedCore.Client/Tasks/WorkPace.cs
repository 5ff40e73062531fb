namespace FedCore.Client.Tasks;

/// <summary>How fast this machine trains in a run, so that it can stop in time where a run takes partial work.</summary>
internal sealed class WorkPace
{
    // Encoding and sending take time too.
    private const double UsableShare = 0.8;

    private double? _secondsPerStep;

    /// <summary>Takes note of how long a task took.</summary>
    public void Learn(int steps, TimeSpan time) => _secondsPerStep = _secondsPerStep is { } known ? (known + time.TotalSeconds / steps) / 2 : time.TotalSeconds / steps;

    /// <summary>The steps that can be done in time.</summary>
    /// <param name="planned">As many as there are to do.</param>
    /// <param name="left">The time that is left; null for no limit.</param>
    /// <returns>At least 1; all of them where nothing is known yet.</returns>
    public int StepsWithin(int planned, TimeSpan? left) =>
        left is { } time && _secondsPerStep is > 0 and var pace ? (int)Math.Clamp(time.TotalSeconds * UsableShare / pace, 1, planned) : planned;
}
