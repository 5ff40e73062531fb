using System.Buffers;

namespace FedCore.Aggregator.Spooling;

/// <summary>A small update on its way to the disk. Until its task has ended the payload belongs to it.</summary>
/// <param name="run">The run.</param>
/// <param name="head">The record's header and label, without salt.</param>
/// <param name="payload">The payload.</param>
internal sealed class AppendRequest(SpoolRun run, byte[] head, ReadOnlySequence<byte> payload)
{
    private const int Queued = 0, Taken = 1, Cancelled = 2;

    private readonly TaskCompletionSource<SpooledUpdate> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _state;

    public SpoolRun Run => run;

    /// <summary>The record's header and label.</summary>
    public byte[] Head => head;

    /// <summary>Bytes of the record.</summary>
    public long Length => head.Length + payload.Length;

    public Task<SpooledUpdate> Done => _done.Task;

    /// <summary>Takes the request for good, unless it was cancelled.</summary>
    public bool TryTake() => Interlocked.CompareExchange(ref _state, Taken, Queued) == Queued;

    /// <summary>Cancels the request, unless it was taken.</summary>
    public void Cancel(CancellationToken ct)
    {
        if (Interlocked.CompareExchange(ref _state, Cancelled, Queued) == Queued) _done.SetCanceled(ct);
    }

    /// <summary>Adds the record's bytes to those of others.</summary>
    public void AddTo(List<ReadOnlyMemory<byte>> buffers)
    {
        buffers.Add(head);
        foreach (ReadOnlyMemory<byte> part in payload)
            if (!part.IsEmpty) buffers.Add(part);
    }

    public void Succeed(SpooledUpdate update) => _done.SetResult(update);

    public void Fail(Exception fault) => _done.SetException(fault);
}
