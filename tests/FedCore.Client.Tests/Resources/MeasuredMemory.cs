using System.Globalization;
using System.Runtime.InteropServices;

namespace FedCore.Client.Tests.Resources;

/// <summary>How much memory this process really has, as Linux counts it.</summary>
internal static partial class MeasuredMemory
{
    /// <summary>Runs something, and says by how many bytes the process was larger at most than before.</summary>
    public static async Task<long> PeakOfAsync(Func<Task> work)
    {
        Assert.Equal(1, SetOption(MmapThreshold, 1 << 20));
        for (int i = 0; i < 2; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        _ = Trim(0);
        long before = Read("VmRSS:");

        // From here on the largest size counts.
        await File.WriteAllTextAsync("/proc/self/clear_refs", "5", TestContext.Current.CancellationToken);
        await OnThreadOfItsOwnAsync(work);
        return Read("VmHWM:") - before;
    }

    /// <summary>Runs something on a thread that ends with it, and with it the memory that products keep for each thread: of another's, left from before, the work would take less.</summary>
    public static Task OnThreadOfItsOwnAsync(Func<Task> work)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() => Run(work, done));
        thread.Start();
        return done.Task;
    }

    private static void Run(Func<Task> work, TaskCompletionSource done)
    {
        try
        {
            work().GetAwaiter().GetResult();
            done.SetResult();
        }
        catch (Exception fault)
        {
            done.SetException(fault);
        }
    }

    private static long Read(string name) =>
        1024 * long.Parse(File.ReadLines("/proc/self/status").Single(line => line.StartsWith(name, StringComparison.Ordinal)).Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);

    // Freed memory that the C library keeps would hide what is taken again. Of all that lies below its threshold for memory maps it keeps some, at the end of
    // each arena, which trimming does not give back; and it raises the threshold to 32 MiB with what is freed, unless it is set.
    private const int MmapThreshold = -3;

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int SetOption(int name, int value);

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int Trim(nuint pad);
}

/// <summary>Tests that change or measure the whole process: no other runs beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class WholeProcess
{
    public const string Name = "whole process";
}
