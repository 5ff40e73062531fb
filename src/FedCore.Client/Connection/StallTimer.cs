namespace FedCore.Client.Connection;

/// <summary>Gives a call up in which nothing moves: not all networks say that a connection is gone.</summary>
internal sealed class StallTimer : IDisposable
{
    /// <summary>How long nothing may move.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly CancellationTokenSource _alarm;
    private readonly CancellationTokenSource _either;
    private readonly TimeSpan _limit;

    /// <param name="clock">The clock.</param>
    /// <param name="ct">Cancels the call too.</param>
    /// <param name="limit">How long nothing may move; null for a minute.</param>
    public StallTimer(TimeProvider clock, CancellationToken ct, TimeSpan? limit = null)
    {
        (_limit, Outer) = (limit ?? Limit, ct);
        _alarm = new CancellationTokenSource(_limit, clock);
        _either = CancellationTokenSource.CreateLinkedTokenSource(_alarm.Token, ct);
    }

    /// <summary>Cancelled when nothing has moved for too long, or by the caller.</summary>
    public CancellationToken Token => _either.Token;

    /// <summary>The caller's own token.</summary>
    public CancellationToken Outer { get; }

    /// <summary>Why the call was given up; null where it was not.</summary>
    public string? Reason => _alarm.IsCancellationRequested ? $"nothing came or went for {_limit.TotalSeconds:0} s" : null;

    /// <summary>Takes note that something moves.</summary>
    public void Restart() => _alarm.CancelAfter(_limit);

    public void Dispose()
    {
        _either.Dispose();
        _alarm.Dispose();
    }
}
