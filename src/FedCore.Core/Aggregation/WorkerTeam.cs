using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace FedCore.Aggregation;

/// <summary>
/// Threads that share a piece of work and stay awake for a moment behind it. A round of a small model takes a few milliseconds, and a thread that went
/// to sleep between two rounds comes back too late to be of use, above all where a hypervisor packs virtual processors.
/// </summary>
internal sealed class WorkerTeam : IDisposable
{
    private static readonly TimeSpan AwakeFor = TimeSpan.FromMilliseconds(1);

    private readonly Member?[] _members;

    /// <summary>A team of the caller and of <paramref name="threads"/> - 1 others, who are only there once they are needed.</summary>
    public WorkerTeam(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        _members = new Member?[threads - 1];
    }

    /// <summary>Starts the same work on several threads, the caller's among them, and waits for all. For one caller at a time.</summary>
    /// <param name="workers">On how many, at most as many as the team has.</param>
    /// <param name="work">The work; each thread starts it once.</param>
    /// <returns>Completes when all have, with a fault if there was one; where a fault made others cancel, with the fault.</returns>
    public async Task RunAsync(int workers, Func<Task> work)
    {
        // All threads are there before the first one starts: where the system has no more of them, nothing is left running.
        for (int i = 1; i < workers; i++) _members[i - 1] ??= new Member();
        var run = new SharedWork(workers, work);
        for (int i = 1; i < workers; i++) _members[i - 1]!.Post(run);
        run.Start();
        SpinWhile(() => !run.IsDone);
        if (!run.IsDone) await run.Done.ConfigureAwait(false);
        run.Fault?.Throw();
    }

    public void Dispose()
    {
        foreach (Member? member in _members) member?.Dispose();
    }

    private static void SpinWhile(Func<bool> condition)
    {
        long start = Stopwatch.GetTimestamp();
        for (var spin = default(SpinWait); condition() && Stopwatch.GetElapsedTime(start) < AwakeFor;) spin.SpinOnce(sleep1Threshold: -1);
    }

    private sealed class SharedWork(int workers, Func<Task> work)
    {
        // The caller goes on in the pool, never on a member, which could not take part in what the caller starts next.
        private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private ExceptionDispatchInfo? _fault;
        private int _left = workers;

        public bool IsDone => Volatile.Read(ref _left) == 0;

        public Task Done => _done.Task;

        public ExceptionDispatchInfo? Fault => _fault;

        public void Start() => _ = StartAsync();

        private async Task StartAsync()
        {
            try
            {
                await work().ConfigureAwait(false);
            }
            catch (Exception fault)
            {
                lock (_done)
                {
                    if (_fault is null or { SourceException: OperationCanceledException }) _fault = ExceptionDispatchInfo.Capture(fault);
                }
            }

            if (Interlocked.Decrement(ref _left) == 0) _done.SetResult();
        }
    }

    private sealed class Member : IDisposable
    {
        private static readonly SharedWork Asleep = new(0, () => Task.CompletedTask);
        private static readonly SharedWork Leave = new(0, () => Task.CompletedTask);

        private readonly AutoResetEvent _wake = new(false);
        private readonly Thread _thread;
        private SharedWork? _next;

        public Member()
        {
            _thread = new Thread(Run) { IsBackground = true, Name = "FedCore worker" };
            _thread.Start();
        }

        public void Post(SharedWork work)
        {
            if (Interlocked.Exchange(ref _next, work) == Asleep) _wake.Set();
        }

        public void Dispose()
        {
            Post(Leave);
            _thread.Join();
            _wake.Dispose();
        }

        private void Run()
        {
            for (SharedWork work = Next(); work != Leave; work = Next()) work.Start();
        }

        private SharedWork Next()
        {
            SpinWhile(() => Volatile.Read(ref _next) is null);
            if (Interlocked.CompareExchange(ref _next, Asleep, null) is null) _wake.WaitOne();
            return Interlocked.Exchange(ref _next, null)!;
        }
    }
}
