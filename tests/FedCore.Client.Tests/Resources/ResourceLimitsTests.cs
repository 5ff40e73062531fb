using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using FedCore.Client.Resources;
using FedCore.Json;
using FedCore.Training;

namespace FedCore.Client.Tests.Resources;

[Collection(WholeProcess.Name)]
public partial class ResourceLimitsTests
{
    private static readonly MemoryEstimate Need = new(300_000_000, 400_000_000, 60_000_000, 51_500_000);

    [Fact]
    public void Limits_stand_in_settings()
    {
        ResourceLimits limits = Read("""{ "threads": 1, "memoryMb": 512, "nice": 10 }""");
        Assert.Equal((1, 512, 10), (limits.Threads, limits.MemoryMb, limits.Nice));
        Assert.Equal(new ResourceLimits(), Read("{}"));
    }

    [Theory]
    [InlineData("""{ "nice": 20 }""", "nice is 20", "at most 19")]
    [InlineData("""{ "memoryMb": 1 }""", "memoryMb is 1", "at least 128")]
    [InlineData("""{ "threads": 0 }""", "threads is 0", "1")]
    [InlineData("""{ "usableThreads": 3 }""", "usableThreads", "not known")]
    public void A_limit_that_is_none_is_refused(string json, string place, string answer)
    {
        string message = Assert.Throws<FedCoreException>(() => Read(json)).Message;
        Assert.Contains(place, message, StringComparison.Ordinal);
        Assert.Contains(answer, message, StringComparison.Ordinal);
    }

    [Fact]
    public void No_more_threads_are_used_than_there_are_cores()
    {
        int cores = Environment.ProcessorCount;
        Assert.Equal(cores, new ResourceLimits().UsableThreads);
        Assert.Equal(1, new ResourceLimits { Threads = 1 }.UsableThreads);
        Assert.Empty(new ResourceLimits { Threads = cores }.Apply());
        var greedy = new ResourceLimits { Threads = cores + 3 };
        Assert.Equal(cores, greedy.UsableThreads);
        string warning = Assert.Single(greedy.Apply());
        Assert.Contains($"limits.threads is {cores + 3}", warning, StringComparison.Ordinal);
        Assert.Contains($"{cores} cores", warning, StringComparison.Ordinal);
    }

    [Fact]
    public void A_task_that_needs_more_than_the_limit_is_declined_with_both_numbers()
    {
        string? reason = new ResourceLimits { MemoryMb = 811 }.ReasonToDecline(Need);
        Assert.NotNull(reason);
        Assert.All(
            ["needs about 812 MB", "model 300 MB", "training 400 MB", "update 60 MB", "examples 52 MB", "limits.memoryMb is 811"],
            part => Assert.Contains(part, reason, StringComparison.Ordinal));
        Assert.Null(new ResourceLimits { MemoryMb = 812 }.ReasonToDecline(Need));
        Assert.Null(new ResourceLimits().ReasonToDecline(Need));
    }

    [Fact]
    public void Tasks_at_work_count()
    {
        var limits = new ResourceLimits { MemoryMb = 1000 };
        Assert.Null(limits.ReasonToDecline(Need, taken: 188_500_000));
        Assert.Contains("tasks at work have 189 MB", limits.ReasonToDecline(Need, taken: 188_500_001), StringComparison.Ordinal);
    }

    [Fact]
    public void The_managed_heap_is_limited_while_the_process_runs()
    {
        long before = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        try
        {
            Assert.Empty(new ResourceLimits { MemoryMb = 1000 }.Apply());
            GC.Collect();
            Assert.Equal(1_000_000_000, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, tolerance: 10_000_000d);
            Assert.Throws<OutOfMemoryException>(() => new byte[1_100_000_000]);
        }
        finally
        {
            AppContext.SetData("GCHeapHardLimit", 0UL);
            GC.RefreshMemoryLimit();
        }

        GC.Collect();
        Assert.Equal(before, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
    }

    [Fact]
    public void A_heap_that_is_large_already_is_not_limited_but_said_to_be()
    {
        byte[][] kept = [.. Enumerable.Range(0, 100).Select(_ => new byte[1_000_000])];
        GC.Collect();
        string warning = Assert.Single(new ResourceLimits { MemoryMb = 128 }.Apply());
        Assert.Contains("limits.memoryMb is 128", warning, StringComparison.Ordinal);
        Assert.True(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes > 128_000_000);
        GC.KeepAlive(kept);
    }

    [Fact]
    public void Nice_reaches_every_thread_of_the_process()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Nice levels of threads are Linux's.");
        using var done = new ManualResetEventSlim();
        var other = new Thread(() => done.Wait(TestContext.Current.CancellationToken));
        other.Start();
        int before = Niceness().Min();
        try
        {
            Assert.Empty(new ResourceLimits { Nice = before + 1 }.Apply());
            Assert.True(Niceness().Length > 2);
            Assert.All(Niceness(), nice => Assert.Equal(before + 1, nice));
        }
        finally
        {
            // Only who has the right gets it back; the tests go on without.
            ProcessPriority.Set(before);
            done.Set();
            other.Join();
        }
    }

    // A thread of root's that has become somebody else may not raise a priority, as a service of an ordinary user may not.
    [Fact]
    public void What_is_not_permitted_is_a_warning()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64, "A thread becomes somebody else by a system call of Linux on x64.");
        int[] before = Niceness();
        IReadOnlyList<string> warnings = [];
        var ordinary = new Thread(() =>
        {
            if (Environment.IsPrivilegedProcess && SetUser(117, 65534, 65534, 65534) != 0) throw new InvalidOperationException("The thread is still root's.");
            warnings = new ResourceLimits { Nice = -5 }.Apply();
        });
        ordinary.Start();
        ordinary.Join();
        string warning = Assert.Single(warnings);
        Assert.Contains("limits.nice is -5", warning, StringComparison.Ordinal);
        Assert.Contains("may not set", warning, StringComparison.Ordinal);
        Assert.Equal(before.Min(), Niceness().Min());
    }

    [Theory]
    [InlineData(19, ProcessPriorityClass.Idle)]
    [InlineData(10, ProcessPriorityClass.BelowNormal)]
    [InlineData(0, ProcessPriorityClass.Normal)]
    [InlineData(-5, ProcessPriorityClass.AboveNormal)]
    [InlineData(-20, ProcessPriorityClass.High)]
    public void Windows_has_a_priority_class_for_every_level(int nice, ProcessPriorityClass expected) => Assert.Equal(expected, ProcessPriority.ClassOf(nice));

    // The 19th field of a thread's stat, counted behind its name, which may hold blanks.
    private static int[] Niceness()
    {
        var levels = new List<int>();
        foreach (string folder in Directory.EnumerateDirectories("/proc/self/task"))
        {
            try
            {
                string stat = File.ReadAllText(Path.Combine(folder, "stat"));
                levels.Add(int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[16], CultureInfo.InvariantCulture));
            }
            catch (IOException)
            {
                // The thread has ended meanwhile.
            }
        }

        return [.. levels];
    }

    private static ResourceLimits Read(string json) => JsonDocuments.Read<ResourceLimits>(JsonDocuments.Parse(json, "site.json"), Runs.Names, "site.json");

    // The C library would make all threads somebody else; the kernel's call makes one.
    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SetUser(nint number, nint real, nint effective, nint saved);
}
