namespace FedCore.Client.Outbox;

/// <summary>Wakes everybody who waits. Who takes the next beat before looking misses none.</summary>
internal sealed class Pulse
{
    private TaskCompletionSource _next = New();

    /// <summary>Ends with the next beat.</summary>
    public Task Next => Volatile.Read(ref _next).Task;

    public void Beat() => Interlocked.Exchange(ref _next, New()).TrySetResult();

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
