using FedCore.Client.Outbox;
using FedCore.Client.State;
using FedCore.Client.Storage;
using FedCore.Client.Tests.Fakes;
using FedCore.Numerics;
using FedCore.Tests;

namespace FedCore.Client.Tests.Outbox;

/// <summary>
/// The process ends before each of the changes that it makes to its folder, one after the other; each time the folder is opened again by another one, which goes on
/// from what it finds. In the end everything is as if nothing had happened.
/// </summary>
public sealed class CrashTests : IDisposable
{
    private const int Length = 5000, Rounds = 3;
    private const string Run = "run";

    private static readonly string Hash = new('a', 64);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Whenever_the_process_ends_updates_and_state_are_whole_and_the_work_goes_on()
    {
        using var undisturbed = new Site(_folder["undisturbed"], int.MaxValue);
        while (undisturbed.Step()) { }
        Assert.Equal(Expected, undisturbed.State());
        int changes = undisturbed.Changes;
        Assert.True(changes > 40, $"Only {changes} changes were counted.");
        for (int crash = 0; crash < changes; crash++)
        {
            string path = _folder[$"crash-{crash}"];
            using (var first = new Site(path, crash))
                Assert.Throws<CrashException>(() => { while (first.Step()) { } });
            using var second = new Site(path, int.MaxValue);
            while (second.Step()) { }
            Assert.Equal(Expected, second.State());
            Assert.Empty(Directory.EnumerateDirectories(Path.Combine(path, "outbox")));
            Assert.Empty(Directory.EnumerateDirectories(Path.Combine(path, "unsettled")));
            Assert.Empty(Directory.EnumerateDirectories(Path.Combine(path, "committing")));
        }
    }

    [Fact]
    public void Whenever_the_process_ends_while_a_run_is_forgotten_nothing_of_it_is_left_in_the_end()
    {
        using var undisturbed = new Site(_folder["undisturbed"], int.MaxValue);
        while (undisturbed.Step()) { }
        int begin = undisturbed.Changes;
        undisturbed.Forget();
        Assert.InRange(undisturbed.Changes - begin, 2, 10);
        for (int crash = begin; crash < undisturbed.Changes; crash++)
        {
            string path = _folder[$"crash-{crash}"];
            using (var first = new Site(path, crash))
            {
                while (first.Step()) { }
                Assert.Throws<CrashException>(first.Forget);
            }

            using var second = new Site(path, int.MaxValue);
            second.Forget();
            Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(path, "state")));
        }
    }

    // Rounds 1 and 3 count: 1, and on top of it 3 x 10.
    private static float Expected => 31;

    private static bool Counts(int round) => round != 2;

    /// <summary>A site that works off three rounds. What an aggregator knows outlasts the process: which updates it has.</summary>
    private sealed class Site : IDisposable
    {
        private readonly CrashingDisk _disk;
        private readonly string _path;
        private readonly DataFolder? _folder;
        private readonly UpdateOutbox? _outbox;

        public Site(string path, int crashAt)
        {
            (_path, _disk) = (path, new CrashingDisk(crashAt));
            try
            {
                _folder = DataFolder.Open(path, _disk);
                _outbox = new UpdateOutbox(_folder, TimeProvider.System, new LogLines());
            }
            catch (CrashException)
            {
                // The steps say it again.
                _folder?.Dispose();
            }
        }

        public int Changes => _disk.Changes;

        private string Known => Path.Combine(Path.GetDirectoryName(_path)!, Path.GetFileName(_path) + ".known");

        /// <summary>Does the next thing that is to be done, as the disk and the aggregator say.</summary>
        /// <returns>Whether there was one.</returns>
        public bool Step()
        {
            if (_outbox is null) throw new CrashException();
            if (_outbox.Unsettled is [var unsettled, ..])
            {
                // An update that was never accepted cannot be asked about.
                Assert.Contains(unsettled.Task, Accepted());
                Assert.NotNull(_outbox.Settle(unsettled.Task, Counts(unsettled.Round)));
                return true;
            }

            if (_outbox.Waiting is [var entry, ..])
            {
                Assert.Equal(entry.Record.Length, new FileInfo(entry.UpdateFile).Length);
                Assert.Equal(entry.Record.Digest, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(entry.UpdateFile))));
                File.AppendAllLines(Known, [entry.Record.Task]);
                _outbox.Remove(entry);
                return true;
            }

            int done = Accepted().Count;
            if (done == Rounds) return false;
            Train(done + 1);
            return true;
        }

        /// <summary>Hears that every run is over.</summary>
        public void Forget()
        {
            foreach (UpdateRecord last in _outbox!.KeptRuns()) _outbox.ForgetState(last.StateFolder);
        }

        /// <summary>What the site keeps, all its elements being the same.</summary>
        public float State()
        {
            using var state = new SiteState(Path.Combine(_path, "state", UpdateRecord.StateFolderOf(Run, Hash)));
            return Single(state.Vector("Sum", Length));
        }

        public void Dispose() => _folder?.Dispose();

        private HashSet<string> Accepted() => File.Exists(Known) ? [.. File.ReadAllLines(Known)] : [];

        private void Train(int round)
        {
            using var state = new SiteState(Path.Combine(_path, "state", UpdateRecord.StateFolderOf(Run, Hash)));
            state.Begin();
            FlatVector sum = state.Vector("Sum", Length), other = state.Vector("sum", Length);
            Assert.Equal(Single(sum), Single(other));
            foreach (ref float value in sum.AsSpan()) value += round == 3 ? 30 : round;
            other.CopyFrom(sum);
            using UpdateDraft draft = _outbox!.Begin(Convert.ToHexStringLower(new byte[15]) + $"{round:x2}");
            draft.Bytes.GetSpan(1000)[..1000].Fill((byte)round);
            draft.Bytes.Advance(1000);
            draft.Seal().Dispose();
            _outbox.Add(draft.Complete(
                new UpdateRecord
                {
                    Task = Convert.ToHexStringLower(new byte[15]) + $"{round:x2}",
                    Run = Run,
                    Hash = Hash,
                    IsTraining = true,
                    Round = round,
                    Position = 0,
                    Digest = "",
                    Length = 0,
                    Finished = TimeProvider.System.GetUtcNow(),
                },
                state));
        }

        private static float Single(FlatVector vector)
        {
            float first = vector.AsSpan()[0];
            Assert.True(vector.AsSpan().IndexOfAnyExcept(first) < 0, "The vector was torn.");
            return first;
        }
    }

    private sealed class CrashingDisk(int crashAt) : Disk
    {
        public int Changes { get; private set; }

        // A process that has ended does not clean up either.
        protected override void Before(string change)
        {
            if (Changes >= crashAt) throw new CrashException();
            Changes++;
        }
    }

    private sealed class CrashException : Exception;
}
