using System.Diagnostics.CodeAnalysis;
using FedCore.Client.Connection;

namespace FedCore.Client.Tasks;

/// <summary>
/// Where a trainer works: on a thread of its own, since a pool's would be away for as long as it takes. Work that cannot be cancelled is left behind; work that
/// hangs is given up.
/// </summary>
/// <param name="session">Says how long silence may last.</param>
/// <param name="clock">Times the work.</param>
internal sealed class WorkThread(Session session, TimeProvider clock)
{
    /// <summary>The code of a task whose work hangs.</summary>
    public const string Hangs = "client.hangs";

    private Task _last = Task.CompletedTask;
    private bool _hangs;

    /// <summary>The last work, also what was left behind.</summary>
    public Task Last => _last;

    /// <summary>Waits for what was left behind.</summary>
    /// <exception cref="FedCoreException">It hangs (<see cref="Hangs"/>).</exception>
    public async Task WaitAsync(CancellationToken ct)
    {
        if (_hangs && !_last.IsCompleted)
            throw FedCoreException.RunFailed(Hangs, "The trainer still hangs in an earlier task of the run. Look at what it waits for, and start the client again.");
        await _last.WaitAsync(ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        ct.ThrowIfCancellationRequested();
    }

    /// <summary>Works.</summary>
    /// <param name="work">The work, which is cancelled when nobody waits for it any more.</param>
    /// <param name="batches">How many batches have been done; null where they are not counted.</param>
    /// <param name="ct">Cancels the work, and the waiting for it.</param>
    /// <exception cref="FedCoreException">The work hangs (<see cref="Hangs"/>).</exception>
    [SuppressMessage("Reliability", "CA2008", Justification = "The scheduler is given.")]
    public async Task<T> RunAsync<T>(Func<CancellationToken, T> work, Func<long?> batches, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(ct);
        CancellationToken ended = end.Token;
        var progress = new WorkProgress(clock, session.Liveness, batches());
        Task<T> running = Task.Factory.StartNew(() => work(ended), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        (_last, _hangs) = (running, false);
        try
        {
            while (await Task.WhenAny(running, Task.Delay(session.ReportInterval, clock, ended)).ConfigureAwait(false) != running)
            {
                ct.ThrowIfCancellationRequested();
                if (progress.Hangs(batches())) throw GivenUp(progress.Silence);
            }

            return await running.ConfigureAwait(false);
        }
        finally
        {
            await end.CancelAsync().ConfigureAwait(false);
        }
    }

    private FedCoreException GivenUp(TimeSpan silence)
    {
        _hangs = true;
        return FedCoreException.RunFailed(Hangs, $"The trainer has not ended a batch for {silence.TotalSeconds:0} s: it hangs. Look at what it waits for.");
    }
}
