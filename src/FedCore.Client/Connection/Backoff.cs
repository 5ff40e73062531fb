using System.Security.Cryptography;

namespace FedCore.Client.Connection;

/// <summary>
/// How long to wait before the next attempt: at random up to a limit that doubles from 1 s to 60 s ("full jitter"), so that sites that lost the aggregator at
/// once do not come back at once.
/// </summary>
/// <param name="clock">The clock.</param>
/// <param name="random">A number of at least 0 and below 1; null for the operating system's generator.</param>
internal sealed class Backoff(TimeProvider clock, Func<double>? random = null)
{
    /// <summary>The first limit and the last.</summary>
    public static readonly TimeSpan First = TimeSpan.FromSeconds(1), Last = TimeSpan.FromSeconds(60);

    private readonly Func<double> _random = random ?? (() => RandomNumberGenerator.GetInt32(int.MaxValue) / (double)int.MaxValue);
    private TimeSpan _limit = First;

    /// <summary>The next wait.</summary>
    public TimeSpan Next()
    {
        TimeSpan wait = _limit * _random();
        _limit = _limit * 2 < Last ? _limit * 2 : Last;
        return wait;
    }

    /// <summary>Begins with the first limit again, after a success.</summary>
    public void Reset() => _limit = First;

    /// <summary>Waits.</summary>
    /// <param name="delay">How long.</param>
    /// <param name="ct">Cancels the waiting.</param>
    /// <param name="sooner">Ends it too; null for nothing.</param>
    public async Task WaitAsync(TimeSpan delay, CancellationToken ct, Task? sooner = null)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct);
        Task timer = Task.Delay(delay, clock, either.Token);
        await Task.WhenAny(timer, sooner ?? timer).ConfigureAwait(false);
        await either.CancelAsync().ConfigureAwait(false);
        ct.ThrowIfCancellationRequested();
    }
}
