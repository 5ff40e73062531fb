using System.Buffers;
using System.Diagnostics;
using System.Security.Cryptography;
using FedCore.Aggregator.Journal;
using FedCore.Aggregator.Spooling;
using FedCore.Aggregator.Storage;

namespace FedCore.Benchmarks.Suites;

/// <summary>
/// What it costs an aggregator to keep updates: each is appended to the spool, durable before it is acknowledged, and its fact goes to the journal. The files lie
/// in the system's folder for temporary ones, which should be on a disk.
/// </summary>
internal static class SpoolSuite
{
    private const int Small = 31_000, Large = 4_000_000, Piece = 4096, PerSecond = 2500, PerRound = 1000;
    private const double WarmUpSeconds = 3, Seconds = 5;

    public static void Run(Figures figures)
    {
        ClosedLoopAsync(figures).GetAwaiter().GetResult();
        PacedAsync(figures).GetAwaiter().GetResult();
        LargeAsync(figures).GetAwaiter().GetResult();
    }

    /// <summary>As many as can be, from callers of whom each waits for its acknowledgement.</summary>
    private static async Task ClosedLoopAsync(Figures figures)
    {
        const int callers = 256;
        using var bench = new Bench();
        ReadOnlySequence<byte> payload = InPieces(RandomNumberGenerator.GetBytes(Small));
        byte[] digest = SHA256.HashData(payload.ToArray());
        var round = new List<SpooledUpdate>();

        // The first seconds are the compiler's.
        await SendAsync(WarmUpSeconds);
        long syncs = bench.Disk.Syncs, start = Stopwatch.GetTimestamp();
        TimeSpan cpu = Process.GetCurrentProcess().TotalProcessorTime;
        int count = await SendAsync(Seconds);
        double rate = count / Stopwatch.GetElapsedTime(start).TotalSeconds;
        cpu = Process.GetCurrentProcess().TotalProcessorTime - cpu;
        object detail = new { callers, megabytesPerS = Math.Round(rate * Small / 1e6), fsyncsPerAppend = Math.Round((bench.Disk.Syncs - syncs) / (double)count, 4) };
        figures.Report("spool", "append_31kb_per_s", rate, "/s", detail);
        figures.Report("spool", "cpu_us_per_append", cpu.TotalMicroseconds / count, "us", detail);

        async Task<int> SendAsync(double duration)
        {
            int number = 0;
            long begin = Stopwatch.GetTimestamp();
            await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(async () =>
            {
                while (Stopwatch.GetElapsedTime(begin).TotalSeconds < duration) await bench.KeepAsync(payload, digest, Interlocked.Increment(ref number), round);
            })));
            return number;
        }
    }

    /// <summary>As many updates as are wanted of an aggregator come by the clock, whether others have been acknowledged or not.</summary>
    private static async Task PacedAsync(Figures figures)
    {
        using var bench = new Bench();
        ReadOnlySequence<byte> payload = InPieces(RandomNumberGenerator.GetBytes(Small));
        byte[] digest = SHA256.HashData(payload.ToArray());
        var latencies = new List<double>();
        var round = new List<SpooledUpdate>();

        await SendAsync(1);
        latencies.Clear();
        long syncs = bench.Disk.Syncs, commits = bench.Log.Commits, start = Stopwatch.GetTimestamp();
        TimeSpan cpu = Process.GetCurrentProcess().TotalProcessorTime;
        int count = await SendAsync(Seconds);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        cpu = Process.GetCurrentProcess().TotalProcessorTime - cpu;
        object detail = new
        {
            perSecond = Math.Round(count / seconds),
            medianMs = Math.Round(Figures.Median(latencies), 1),
            p99Ms = Math.Round(latencies.Order().ElementAt((int)(0.99 * latencies.Count)), 1),
            journalCommits = bench.Log.Commits - commits,

            // With what threads of the pool spend looking for work, and the clock that paces.
            processUs = Math.Round(cpu.TotalMicroseconds / count),
        };
        figures.Report("spool", "fsyncs_per_append", (bench.Disk.Syncs - syncs) / (double)count, "", detail);

        async Task<int> SendAsync(double duration)
        {
            var pending = new List<Task>();
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(2));
            long begin = Stopwatch.GetTimestamp();
            for (double elapsed = 0; elapsed < duration; elapsed = Stopwatch.GetElapsedTime(begin).TotalSeconds)
            {
                while (pending.Count < (int)(elapsed * PerSecond)) pending.Add(TimedAsync(pending.Count));
                await timer.WaitForNextTickAsync();
            }

            await Task.WhenAll(pending);
            return pending.Count;
        }

        async Task TimedAsync(int number)
        {
            long begin = Stopwatch.GetTimestamp();
            await bench.KeepAsync(payload, digest, number, round);
            lock (latencies) latencies.Add(Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
        }
    }

    private static async Task LargeAsync(Figures figures)
    {
        const int callers = 8;
        using var bench = new Bench();
        byte[] payload = RandomNumberGenerator.GetBytes(Large), digest = SHA256.HashData(payload);
        long start = Stopwatch.GetTimestamp();
        TimeSpan cpu = Process.GetCurrentProcess().TotalProcessorTime;
        int count = 0;
        await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(async () =>
        {
            while (Stopwatch.GetElapsedTime(start).TotalSeconds < Seconds)
            {
                byte[] label = BitConverter.GetBytes(Interlocked.Increment(ref count));
                using StagedUpload upload = await bench.Spool.StageAsync("run", label, Large, digest, null, default);
                for (int offset = 0; offset < Large; offset += 1 << 16) upload.Write(InPieces(payload.AsMemory(offset, Math.Min(1 << 16, Large - offset))));
                (await upload.CompleteAsync()).Release();
            }
        })));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        cpu = Process.GetCurrentProcess().TotalProcessorTime - cpu;
        figures.Report("spool", "upload_4mb_per_s", count / seconds, "/s", new { callers, cpuMs = Math.Round(cpu.TotalMilliseconds / count, 2), fsyncs = Math.Round(bench.Disk.Syncs / (double)count, 2) });
    }

    /// <summary>Bytes in pages, as a pipe hands them on.</summary>
    private static ReadOnlySequence<byte> InPieces(ReadOnlyMemory<byte> bytes)
    {
        Page first = new(bytes[..Math.Min(Piece, bytes.Length)], 0), last = first;
        for (int offset = Piece; offset < bytes.Length; offset += Piece) last = last.Append(bytes.Slice(offset, Math.Min(Piece, bytes.Length - offset)));
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    private sealed class Page : ReadOnlySequenceSegment<byte>
    {
        public Page(ReadOnlyMemory<byte> memory, long index) => (Memory, RunningIndex) = (memory, index);

        public Page Append(ReadOnlyMemory<byte> memory)
        {
            var next = new Page(memory, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }

    /// <summary>A spool and a journal that go with the object.</summary>
    private sealed class Bench : IDisposable
    {
        private readonly string _folder = Directory.CreateTempSubdirectory("fedcore-bench-").FullName;

        public Bench()
        {
            Spool = Spool.Open(new SpoolOptions(Path.Combine(_folder, "spool")), Disk, TimeProvider.System, out _);
            Log = SqliteEventLog.Open(Path.Combine(_folder, "journal.db"), TimeProvider.System, Disk);
        }

        public Disk Disk { get; } = new();

        public Spool Spool { get; }

        public SqliteEventLog Log { get; }

        /// <summary>Keeps an update and its fact; a round of them is closed and given up together.</summary>
        public async Task KeepAsync(ReadOnlySequence<byte> payload, byte[] digest, int number, List<SpooledUpdate> round)
        {
            SpooledUpdate update = await Spool.AppendAsync("run", BitConverter.GetBytes(number), payload, digest, default);
            await Log.AppendAsync("run", "replyTaken", $$"""{"fact":"replyTaken","round":{{number / PerRound}},"position":{{number % PerRound}},"outcome":"reported","reason":null}""", Durability.Ordered, default);
            SpooledUpdate[]? full = null;
            lock (round)
            {
                round.Add(update);
                if (round.Count == PerRound)
                {
                    full = [.. round];
                    round.Clear();
                }
            }

            if (full is null) return;
            await Log.AppendAsync("run", "setClosed", "{}", Durability.Now, default);
            foreach (SpooledUpdate one in full) one.Release();
        }

        public void Dispose()
        {
            Spool.Dispose();
            Log.DisposeAsync().AsTask().GetAwaiter().GetResult();
            Directory.Delete(_folder, recursive: true);
        }
    }
}
