using FedCore.Aggregator.Spooling;
using FedCore.Aggregator.Storage;
using static FedCore.Aggregator.Tests.Spooling.SpoolFolder;

namespace FedCore.Aggregator.Tests.Spooling;

/// <summary>Disks that are full, fail or forget, and processes that are killed.</summary>
public class SpoolFaultTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_update_whose_sync_failed_is_not_acknowledged_and_what_follows_goes_to_another_file()
    {
        var disk = new TestDisk();
        using var folder = new SpoolFolder { Disk = disk };
        using (Spool spool = folder.Open())
        {
            SpooledUpdate first = await AppendAsync(spool, "a", 100);
            disk.OnSync = TestDisk.Fail;
            Assert.Equal("spool.sync", await CodeAsync(AppendAsync(spool, "lost", 100)));
            disk.OnSync = null;
            SpooledUpdate second = await AppendAsync(spool, "b", 100);
            Assert.Equal(2, folder.Segments().Length);
            AssertWhole(first);
            AssertWhole(second);
        }

        using Spool again = folder.Open(out IReadOnlyList<SpooledUpdate> recovered);
        Assert.Equal(["a", "b"], recovered.Select(LabelOf));
        Assert.Empty(folder.Damage);
    }

    // Without its name a file's content is worth nothing.
    [Fact]
    public async Task An_update_in_a_new_file_whose_name_may_be_lost_is_not_acknowledged()
    {
        var disk = new TestDisk();
        using var folder = new SpoolFolder { Disk = disk };
        using Spool spool = folder.Open();
        (await AppendAsync(spool, "makes the run's folder", 1)).Release();
        disk.OnSyncFolder = TestDisk.Fail;
        Assert.Equal("spool.sync", await CodeAsync(AppendAsync(spool, "lost", 100)));
        disk.OnSyncFolder = null;
        await spool.DeletedAsync();
        Assert.Empty(folder.Segments());
        await AppendAsync(spool, "a", 100);
        Assert.Single(folder.Segments());
    }

    [Fact]
    public async Task Of_several_runs_only_the_one_whose_sync_failed_is_refused()
    {
        var disk = new TestDisk();
        using var folder = new SpoolFolder { Disk = disk };
        using Spool spool = folder.Open();
        await AppendAsync(spool, "a", 1, "one");
        await AppendAsync(spool, "a", 1, "two");
        using var gate = new ManualResetEventSlim();
        using var syncing = new SemaphoreSlim(0);
        disk.OnSync = () =>
        {
            syncing.Release();
            gate.Wait();
        };
        Task<SpooledUpdate> first = AppendAsync(spool, "holds the disk", 1, "one");
        await syncing.WaitAsync(Ct);
        Task<SpooledUpdate> fails = AppendAsync(spool, "b", 1, "one"), succeeds = AppendAsync(spool, "b", 1, "two");
        int syncs = 0;
        disk.OnSync = () =>
        {
            if (++syncs == 1) TestDisk.Fail();
        };
        gate.Set();
        await first;
        Assert.Equal("spool.sync", await CodeAsync(fails));
        AssertWhole(await succeeds);
    }

    [Fact]
    public async Task On_a_full_disk_updates_are_refused_and_taken_again_when_there_is_room()
    {
        using SmallDisk small = SmallDisk.Mount(kilobytes: 2048);
        var kept = new List<string>();
        var options = new SpoolOptions(Path.Combine(small.Path, "spool"));
        using (Spool spool = Spool.Open(options, new Disk(), TimeProvider.System, out _))
        {
            await AppendAsync(spool, "before", 1000);
            kept.Add("before");
            string filler = small.Fill(exceptBytes: 100_000);
            Task<SpooledUpdate>[] appends = [.. Enumerable.Range(0, 20).Select(i => AppendAsync(spool, $"{i}", 31_000))];
            foreach ((Task<SpooledUpdate> append, int i) in appends.Select((append, i) => (append, i)))
            {
                if (await Record.ExceptionAsync(() => append) is not { } fault) kept.Add($"{i}");
                else Assert.Equal("spool.full", Assert.IsType<FedCoreException>(fault).Code);
            }

            Assert.InRange(kept.Count, 1, 4);

            // What was written of the refused ones has been cut off: a small one still fits.
            await AppendAsync(spool, "small", 1000);
            Assert.Equal("spool.full", await CodeAsync(AppendAsync(spool, "new run", 200_000, "other")));
            File.Delete(filler);
            AssertWhole(await AppendAsync(spool, "after", 200_000));
            AssertWhole(await AppendAsync(spool, "new run", 200_000, "other"));
        }

        var damage = new List<SpoolDamage>();
        using Spool again = Spool.Open(options with { Report = damage.Add }, new Disk(), TimeProvider.System, out IReadOnlyList<SpooledUpdate> recovered);
        Assert.Equal(["new run", .. kept, "small", "after"], recovered.Select(LabelOf));
        Assert.All(recovered, AssertWhole);
        Assert.Empty(damage);
    }

    [Fact]
    public async Task An_update_whose_file_somebody_took_away_or_cut_is_named_when_it_is_read()
    {
        using var folder = new SpoolFolder();
        using Spool spool = folder.Open(options => options with { SegmentBytes = 1 });
        SpooledUpdate gone = await AppendAsync(spool, "gone", 1000), cut = await AppendAsync(spool, "cut", 1000);
        File.Delete(folder.Segments()[0]);
        string file = folder.Segments()[0];
        using (var stream = new FileStream(file, FileMode.Open)) stream.SetLength(500);
        Assert.Equal("spool.read", Assert.Throws<FedCoreException>(gone.OpenRead).Code);
        FedCoreException fault = Assert.Throws<FedCoreException>(() => ReadAll(cut));
        Assert.Equal("spool.read", fault.Code);
        Assert.Contains(file, fault.Message, StringComparison.Ordinal);
    }

    // A timer's fault would end the process.
    [Fact]
    public async Task Sweeping_survives_a_folder_that_somebody_took_away()
    {
        using var folder = new SpoolFolder();
        using Spool spool = folder.Open();
        (await AppendAsync(spool, "a", 10)).Release();
        await spool.DeletedAsync();
        Directory.Delete(folder.RunPath(), recursive: true);
        spool.Sweep();
        Assert.Equal("spool.write", await CodeAsync(AppendAsync(spool, "b", 10)));
    }

    [Fact]
    public async Task A_killed_process_has_kept_every_update_that_it_acknowledged()
    {
        using var folder = new SpoolFolder();
        folder.Open().Dispose();
        var acknowledged = new HashSet<string>();
        for (int kill = 1; kill <= 3; kill++)
        {
            acknowledged.UnionWith(await ChildProcess.KillAfterAsync(60 * kill, "spool", folder.Path, $"{kill}"));
            using Spool spool = folder.Open(out IReadOnlyList<SpooledUpdate> recovered);
            Assert.Subset(recovered.Select(LabelOf).ToHashSet(), acknowledged);
            Assert.Equal(recovered.Count, recovered.Select(LabelOf).Distinct().Count());
            Assert.All(recovered, AssertWhole);
            Assert.All(folder.Damage, damage => Assert.True(damage.IsTail));
        }

        Assert.Contains(acknowledged, label => label.StartsWith("3/large", StringComparison.Ordinal));
        Assert.Contains(acknowledged, label => label.StartsWith("3/small", StringComparison.Ordinal));
    }

    private static async Task<string> CodeAsync(Task<SpooledUpdate> append) => (await Assert.ThrowsAnyAsync<FedCoreException>(() => append)).Code;
}
