using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace FedCore.Client.Resources;

/// <summary>How much this process stands back behind others.</summary>
internal static partial class ProcessPriority
{
    private const int PerProcess = 0, NoSuchProcess = 3;

    /// <summary>Sets the nice level; on Windows the priority class that comes nearest.</summary>
    /// <param name="nice">From -20 to 19.</param>
    /// <returns>Why it could not be set, or null.</returns>
    public static string? Set(int nice)
    {
        try
        {
            if (OperatingSystem.IsWindows()) SetClass(nice);
            else if (OperatingSystem.IsLinux()) SetThreads(nice);
            else SetOne(0, nice);
            return null;
        }
        catch (Win32Exception fault)
        {
            string remedy = nice < 0 ? "Start the client with the right to do so (under systemd: Nice=), or set limits.nice to 0 or more." : "Set limits.nice to null, and the priority where the client is started.";
            return $"limits.nice is {nice}, which this process may not set ({fault.Message.TrimEnd('.')}): its priority stays as it is. {remedy}";
        }
    }

    /// <summary>The priority class that comes nearest to a nice level. Real time, which would stand before the system's own work, is none of them.</summary>
    internal static ProcessPriorityClass ClassOf(int nice) => nice switch
    {
        >= 15 => ProcessPriorityClass.Idle,
        >= 5 => ProcessPriorityClass.BelowNormal,
        > -5 => ProcessPriorityClass.Normal,
        > -10 => ProcessPriorityClass.AboveNormal,
        _ => ProcessPriorityClass.High,
    };

    private static void SetClass(int nice)
    {
        using Process process = Process.GetCurrentProcess();
        process.PriorityClass = ClassOf(nice);
    }

    // On Linux a nice level is a thread's, and a new thread has that of the one that starts it: so all that there are, until there are no new ones.
    private static void SetThreads(int nice)
    {
        var done = new HashSet<int>();
        for (int before = -1; before != done.Count;)
        {
            before = done.Count;
            foreach (string folder in Directory.EnumerateDirectories("/proc/self/task"))
            {
                int thread = int.Parse(Path.GetFileName(folder), CultureInfo.InvariantCulture);
                if (done.Add(thread)) SetOne(thread, nice);
            }
        }
    }

    private static void SetOne(int id, int nice)
    {
        if (SetPriority(PerProcess, id, nice) == 0) return;
        int error = Marshal.GetLastPInvokeError();
        if (error != NoSuchProcess) throw new Win32Exception(error);
    }

    [LibraryImport("libc", EntryPoint = "setpriority", SetLastError = true)]
    private static partial int SetPriority(int which, int who, int priority);
}
