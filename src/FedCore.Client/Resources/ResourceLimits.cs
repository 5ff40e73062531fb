using System.ComponentModel.DataAnnotations;
using System.Globalization;
using FedCore.Training;

namespace FedCore.Client.Resources;

/// <summary>What a site lets the client take of its machine: the section <c>limits</c> of its settings.</summary>
public sealed record ResourceLimits
{
    private const long Megabyte = 1_000_000;

    // With less, the runtime may find no memory for itself, and ends the process.
    private const int LeastHeapMb = 128;

    /// <summary>How many tasks may be trained at once, each on one thread; null for as many as the machine has cores.</summary>
    [Range(1, 4096)]
    public int? Threads { get; init; }

    /// <summary>
    /// How many MB the tasks at work may take together, beside what the client itself needs; null for no limit. The managed heap, where examples lie, gets no larger
    /// either: an allocation beyond fails.
    /// </summary>
    [Range(LeastHeapMb, 16_000_000)]
    public int? MemoryMb { get; init; }

    /// <summary>How much the client stands back behind other programs, as Unix counts it: from -20 (it goes before them) to 19; null to leave it as it was started.</summary>
    [Range(-20, 19)]
    public int? Nice { get; init; }

    /// <summary>How many tasks may be trained at once on this machine.</summary>
    public int UsableThreads => Math.Min(Threads ?? Environment.ProcessorCount, Environment.ProcessorCount);

    /// <summary>Says why a task must be declined, if it must.</summary>
    /// <param name="need">What it needs.</param>
    /// <param name="taken">How many bytes the tasks at work have.</param>
    /// <returns>A sentence with what is needed and what is allowed, or null where it fits.</returns>
    public string? ReasonToDecline(MemoryEstimate need, long taken = 0)
    {
        ArgumentNullException.ThrowIfNull(need);
        ArgumentOutOfRangeException.ThrowIfNegative(taken);
        if (MemoryMb is not { } limit || need.Total + taken <= limit * Megabyte) return null;
        string others = taken > 0 ? $", and tasks at work have {Mb(taken)}" : "";
        return $"The task needs about {Mb(need.Total)} (model {Mb(need.Model)}, training {Mb(need.Training)}, update {Mb(need.Update)}, examples {Mb(need.Examples)}){others}, "
            + $"but limits.memoryMb is {limit.ToString(CultureInfo.InvariantCulture)}. Raise the limit, or leave this run to larger machines.";
    }

    /// <summary>Makes the limits those of this process; to be called once, when it starts.</summary>
    /// <returns>What could not be done, in sentences for the log. The client works without.</returns>
    public IReadOnlyList<string> Apply()
    {
        List<string?> warnings = [ThreadWarning(), HeapWarning(), Nice is { } nice ? ProcessPriority.Set(nice) : null];
        return [.. warnings.OfType<string>()];
    }

    private string? ThreadWarning() => Threads > Environment.ProcessorCount
        ? $"limits.threads is {Threads}, but the client may use {Environment.ProcessorCount} cores: so many tasks are trained at once."
        : null;

    // Of the limits that the collector knows, this one alone can be set while a process runs. It is a hard one.
    private string? HeapWarning()
    {
        if (MemoryMb is not { } megabytes) return null;
        long limit = Math.Max(megabytes, LeastHeapMb) * Megabyte, committed = GC.GetGCMemoryInfo().TotalCommittedBytes;
        if (committed > limit / 2)
            return $"limits.memoryMb is {megabytes}, but the managed heap has {Mb(committed)} already, too much to limit it. Tasks are declined by their need all the same.";
        try
        {
            AppContext.SetData("GCHeapHardLimit", (ulong)limit);
            GC.RefreshMemoryLimit();
            return null;
        }
        catch (InvalidOperationException fault)
        {
            return $"The managed heap cannot be limited to {megabytes} MB (limits.memoryMb): {fault.Message.TrimEnd('.')}. Tasks are declined by their need all the same.";
        }
    }

    // Rounded up, so that a need above a limit is never shown as the limit.
    private static string Mb(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{(bytes + Megabyte - 1) / Megabyte} MB");
}
