using System.Buffers;
using System.Security.Cryptography;
using FedCore.Aggregator.Spooling;
using FedCore.Aggregator.Storage;
using FedCore.Compression;
using FedCore.Updates;
using static FedCore.Aggregator.Tests.Spooling.SpoolFolder;

namespace FedCore.Aggregator.Tests.Spooling;

public class SpoolTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(31_000)]
    [InlineData(Spool.MaxAppendLength)]
    public async Task An_update_reads_back_now_and_after_a_restart(int length)
    {
        using var folder = new SpoolFolder();
        using (Spool spool = folder.Open())
        {
            SpooledUpdate update = await AppendAsync(spool, "site-7/round-3", length);
            Assert.Equal(("site-7/round-3", length, "run"), (LabelOf(update), update.Length, update.Run));
            AssertWhole(update);
        }

        using Spool again = folder.Open(out IReadOnlyList<SpooledUpdate> recovered);
        Assert.Equal(("site-7/round-3", length, "run"), (LabelOf(recovered[0]), recovered[0].Length, recovered[0].Run));
        AssertWhole(Assert.Single(recovered));
        Assert.Empty(folder.Damage);
    }

    // More pieces than the system takes with one call.
    [Fact]
    public async Task An_update_in_thousands_of_pieces_is_written_as_one()
    {
        using var folder = new SpoolFolder();
        using Spool spool = folder.Open();
        byte[] payload = Payload("a", 31_000);
        AssertWhole(await spool.AppendAsync("run", "a"u8.ToArray(), InPieces(payload, 7), SHA256.HashData(payload), Ct));
    }

    [Fact]
    public async Task Updates_of_several_runs_and_segments_are_found_in_the_order_in_which_they_came()
    {
        using var folder = new SpoolFolder();
        using (Spool spool = folder.Open(options => options with { SegmentBytes = 2000 }))
        {
            for (int i = 0; i < 30; i++) await AppendAsync(spool, $"{i}", 500, i % 3 == 0 ? "b" : "a");
        }

        Assert.True(folder.Segments("a").Length > 3);
        using Spool again = folder.Open(out IReadOnlyList<SpooledUpdate> recovered);
        Assert.Equal([.. Enumerable.Range(0, 30).Where(i => i % 3 != 0), .. Enumerable.Range(0, 10).Select(i => 3 * i)], recovered.Select(update => int.Parse(LabelOf(update))));
        Assert.All(recovered, AssertWhole);
    }

    [Fact]
    public async Task An_update_can_be_read_from_anywhere_in_pieces_of_any_size()
    {
        using var folder = new SpoolFolder();
        using Spool spool = folder.Open();
        byte[] payload = Payload("a", 1_000_003);
        using StagedUpload upload = await StageAsync(spool, "a", payload);
        upload.Write(new ReadOnlySequence<byte>(payload));
        using IEncodedUpdate reader = (await upload.CompleteAsync()).OpenRead();
        var random = new Random(1);
        for (int i = 0; i < 2000; i++)
        {
            int count = random.Next(i % 2 == 0 ? 100 : IEncodedUpdate.LongestRead + 1), offset = random.Next(payload.Length - count + 1);
            Assert.True(reader.Read(offset, count).SequenceEqual(payload.AsSpan(offset, count)));
        }

        Assert.True(reader.Read(payload.Length, 0).IsEmpty);
        Assert.Throws<ArgumentOutOfRangeException>(() => reader.Read(payload.Length - 5, 6).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => reader.Read(-1, 1).Length);
        reader.Dispose();
        reader.Dispose();
        Assert.Throws<ObjectDisposedException>(() => reader.Read(0, 1).Length);
    }

    [Fact]
    public async Task A_segment_goes_when_its_last_update_is_released_and_bytes_on_disk_go_with_it()
    {
        using var folder = new SpoolFolder();
        using Spool spool = folder.Open(options => options with { SegmentBytes = 3000 });
        var updates = new List<SpooledUpdate>();
        for (int i = 0; i < 40; i++) updates.Add(await AppendAsync(spool, $"{i}", 400));
        Assert.Equal(folder.Segments().Sum(file => new FileInfo(file).Length), spool.BytesOnDisk);
        int files = folder.Segments().Length;
        for (int i = 0; i < 40; i += 2) updates[i].Release();
        Assert.Equal(files, folder.Segments().Length);
        for (int i = 1; i < 40; i += 2)
        {
            updates[i].Release();
            updates[i].Release();
            Assert.All(updates.Skip(i + 2).Where((_, j) => j % 2 == 0), AssertWhole);
        }

        await spool.DeletedAsync();
        Assert.Empty(folder.Segments());
        Assert.Equal(0, spool.BytesOnDisk);
        AssertWhole(await AppendAsync(spool, "next", 400));
    }

    [Fact]
    public async Task A_reader_goes_on_when_its_update_is_released_and_none_is_opened_later()
    {
        using var folder = new SpoolFolder();
        using Spool spool = folder.Open();
        SpooledUpdate update = await AppendAsync(spool, "a", 100_000), other = await AppendAsync(spool, "b", 100);
        using IEncodedUpdate reader = update.OpenRead();
        update.Release();
        other.Release();
        await spool.DeletedAsync();
        Assert.Empty(folder.Segments());
        Assert.Equal(Payload("a", 100_000), ReadAll(reader));
        Assert.Throws<ObjectDisposedException>(update.OpenRead);
    }

    [Fact]
    public async Task What_was_released_beside_others_is_found_again_after_a_restart()
    {
        using var folder = new SpoolFolder();
        using (Spool spool = folder.Open())
        {
            SpooledUpdate released = await AppendAsync(spool, "a", 100);
            await AppendAsync(spool, "b", 100);
            released.Release();
        }

        using Spool again = folder.Open(out IReadOnlyList<SpooledUpdate> recovered);
        Assert.Equal(["a", "b"], recovered.Select(LabelOf));
        foreach (SpooledUpdate update in recovered) update.Release();
        await again.DeletedAsync();
        Assert.Empty(folder.Segments());
    }

    [Fact]
    public async Task What_was_released_before_a_spool_closes_is_gone_when_it_has_closed()
    {
        using var folder = new SpoolFolder();
        var updates = new List<SpooledUpdate>();
        using (Spool spool = folder.Open(options => options with { SegmentBytes = 100 }))
        {
            for (int i = 0; i < 50; i++) updates.Add(await AppendAsync(spool, $"{i}", 100));
            foreach (SpooledUpdate update in updates.SkipLast(1)) update.Release();
        }

        Assert.Single(folder.Segments());
        updates[^1].Release();
        Assert.Empty(folder.Segments());
    }

    [Fact]
    public async Task No_handle_stays_open_for_segments_that_nobody_reads()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Handles are counted in /proc.");
        using var folder = new SpoolFolder();
        using Spool spool = folder.Open(options => options with { SegmentBytes = 1000 });
        for (int i = 0; i < 50; i++) AssertWhole(await AppendAsync(spool, $"{i}", 1000));
        Assert.Equal(50, folder.Segments().Length);
        Assert.InRange(OpenFiles(folder.RunPath()), 0, 1);
        using StagedUpload upload = await StageAsync(spool, "u", Payload("u", 10));
        upload.Write(new ReadOnlySequence<byte>(Payload("u", 10)));
        SpooledUpdate update = await upload.CompleteAsync();
        Assert.InRange(OpenFiles(folder.RunPath()), 0, 1);
        using (update.OpenRead())
        using (update.OpenRead())
            Assert.InRange(OpenFiles(folder.RunPath()), 1, 2);
        Assert.InRange(OpenFiles(folder.RunPath()), 0, 1);
    }

    [Fact]
    public async Task Two_hundred_appenders_share_syncs_and_every_update_is_kept()
    {
        using var folder = new SpoolFolder { Disk = new Disk() };
        using (Spool spool = folder.Open())
        {
            long before = folder.Disk.Syncs;
            await Task.WhenAll(Enumerable.Range(0, 200).Select(appender => Task.Run(
                async () =>
                {
                    for (int i = 0; i < 10; i++) AssertWhole(await AppendAsync(spool, $"{appender}/{i}", 3000 + appender, $"run{appender % 3}"));
                },
                Ct)));
            Assert.InRange(folder.Disk.Syncs - before, 1, 200);
        }

        using Spool again = folder.Open(out IReadOnlyList<SpooledUpdate> recovered);
        Assert.Equal(2000, recovered.Select(LabelOf).Distinct().Count());
        Assert.All(recovered, AssertWhole);
        Assert.Empty(folder.Damage);
    }

    [Fact]
    public async Task An_append_that_is_cancelled_while_it_waits_is_not_written()
    {
        using var syncing = new SemaphoreSlim(0);
        using var release = new ManualResetEventSlim();
        var disk = new TestDisk
        {
            OnSync = () =>
            {
                syncing.Release();
                release.Wait();
            },
        };
        using var folder = new SpoolFolder { Disk = disk };
        using (Spool spool = folder.Open())
        {
            Task<SpooledUpdate> first = AppendAsync(spool, "a", 10);
            await syncing.WaitAsync(Ct);
            using var cancellation = new CancellationTokenSource();
            byte[] payload = Payload("b", 10);
            Task<SpooledUpdate> waiting = spool.AppendAsync("run", "b"u8.ToArray(), new ReadOnlySequence<byte>(payload), SHA256.HashData(payload), cancellation.Token).AsTask();
            await cancellation.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
            release.Set();
            await first;
            await AppendAsync(spool, "c", 10);
        }

        using Spool again = folder.Open(out IReadOnlyList<SpooledUpdate> recovered);
        Assert.Equal(["a", "c"], recovered.Select(LabelOf));
    }

    [Fact]
    public async Task Payloads_labels_and_runs_that_cannot_be_kept_are_refused()
    {
        using var folder = new SpoolFolder();
        using Spool spool = folder.Open();
        byte[] payload = new byte[10], digest = SHA256.HashData(payload);
        var sequence = new ReadOnlySequence<byte>(payload);
        Assert.Equal("update.digest", (await Assert.ThrowsAsync<UpdateRefusedException>(async () => await spool.AppendAsync("run", default, sequence, new byte[32], Ct))).Code);
        Assert.Equal("update.digest", (await Assert.ThrowsAsync<UpdateRefusedException>(async () => await spool.AppendAsync("run", default, InPieces(payload, 3), new byte[32], Ct))).Code);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await spool.AppendAsync("run", new byte[4097], sequence, digest, Ct));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await spool.AppendAsync("run", default, sequence, new byte[31], Ct));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await AppendAsync(spool, "a", new byte[Spool.MaxAppendLength + 1]));
        foreach (string run in (string[])["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "a.", "a b", "ü", "a\n", new('x', 129), "sha256:0"])
            await Assert.ThrowsAsync<ArgumentException>(async () => await spool.AppendAsync(run, default, sequence, digest, Ct));
        await spool.AppendAsync(new string('x', 128), new byte[4096], sequence, digest, Ct);
        await spool.AppendAsync("a.b-C_9", default, sequence, digest, Ct);
        Assert.Equal(3, Directory.GetFileSystemEntries(folder.Path).Length);
    }

    [Fact]
    public async Task A_second_opener_is_refused_until_the_first_has_closed()
    {
        using var folder = new SpoolFolder();
        using (Spool first = folder.Open())
        {
            Assert.Equal("spool.in-use", Assert.Throws<FedCoreException>(() => folder.Open()).Code);
            await AppendAsync(first, "a", 10);
        }

        using Spool second = folder.Open(out IReadOnlyList<SpooledUpdate> recovered);
        Assert.Single(recovered);
    }

    [Fact]
    public async Task A_closed_spool_takes_nothing()
    {
        using var folder = new SpoolFolder();
        Spool spool = folder.Open();
        spool.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => AppendAsync(spool, "a", 10));
    }

    [Fact]
    public async Task Files_and_folders_are_their_owners_alone()
    {
        using var folder = new SpoolFolder();
        using Spool spool = folder.Open();
        await AppendAsync(spool, "a", 10);
        using StagedUpload upload = await StageAsync(spool, "b", new byte[10]);
        Owners.AssertAlone(folder.Path);
    }

    private static int OpenFiles(string folder) => new DirectoryInfo("/proc/self/fd").EnumerateFileSystemInfos()
        .Count(handle => handle.LinkTarget?.StartsWith(folder + "/", StringComparison.Ordinal) == true);
}
