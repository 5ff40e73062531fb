using System.Buffers;
using FedCore.Aggregator.Spooling;
using FedCore.Aggregator.Storage;
using FedCore.Tests;
using FedCore.Updates;
using static FedCore.Aggregator.Tests.Spooling.SpoolFolder;

namespace FedCore.Aggregator.Tests.Spooling;

public class StagedUploadTests
{
    private static readonly byte[] Large = Payload("large", 700_001);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_upload_in_pieces_becomes_an_update_that_survives_restarts()
    {
        using var folder = new SpoolFolder();
        using (Spool spool = folder.Open())
        {
            using StagedUpload upload = await StageAsync(spool, "large", Large);
            for (int offset = 0; offset < Large.Length; offset += 30_000)
            {
                Assert.Equal(offset, upload.Offset);
                upload.Write(InPieces(Large[offset..Math.Min(Large.Length, offset + 30_000)], 4096));
            }

            AssertWhole(await upload.CompleteAsync());
            Assert.Equal(new FileInfo(Assert.Single(folder.Segments())).Length, spool.BytesOnDisk);
            Assert.Empty(folder.Parts());
        }

        using Spool again = folder.Open(out IReadOnlyList<SpooledUpdate> recovered);
        AssertWhole(Assert.Single(recovered));
        Assert.Equal("large", LabelOf(recovered[0]));
        recovered[0].Release();
        await again.DeletedAsync();
        Assert.Empty(folder.Segments());
        Assert.Equal(0, again.BytesOnDisk);
    }

    // The disk begins with each MiB while the next ones come.
    [Fact]
    public async Task An_upload_of_several_MiB_in_uneven_pieces_is_whole_here_and_behind_a_restart()
    {
        byte[] payload = Payload("huge", (5 << 20) + 77);
        using var folder = new SpoolFolder();
        using (Spool spool = folder.Open())
        {
            using StagedUpload upload = await StageAsync(spool, "huge", payload);
            for (int offset = 0; offset < payload.Length; offset += 300_007) upload.Write(new ReadOnlySequence<byte>(payload, offset, Math.Min(300_007, payload.Length - offset)));
            AssertWhole(await upload.CompleteAsync());
        }

        using Spool again = folder.Open(out IReadOnlyList<SpooledUpdate> recovered);
        AssertWhole(Assert.Single(recovered));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(262_143)]
    [InlineData(262_145)]
    [InlineData(600_000)]
    [InlineData(700_001)]
    public async Task An_upload_goes_on_where_it_stopped_when_the_aggregator_was_restarted(int stopped)
    {
        using var folder = new SpoolFolder();
        using (Spool spool = folder.Open())
        {
            StagedUpload upload = await StageAsync(spool, "large", Large);
            upload.Write(new ReadOnlySequence<byte>(Large, 0, stopped));
        }

        using Spool again = folder.Open(out IReadOnlyList<SpooledUpdate> recovered);
        Assert.Empty(recovered);
        Assert.True(again.BytesOnDisk > Large.Length);
        using StagedUpload resumed = await StageAsync(again, "large", Large);
        Assert.Equal(stopped, resumed.Offset);
        resumed.Write(new ReadOnlySequence<byte>(Large, stopped, Large.Length - stopped));
        AssertWhole(await resumed.CompleteAsync());
        Assert.Empty(folder.Damage);
    }

    [Fact]
    public async Task Restarts_after_every_few_bytes_lose_none()
    {
        using var folder = new SpoolFolder();
        byte[] payload = Payload("a", 301);
        for (int sent = 0; ; sent += 7)
        {
            using Spool spool = folder.Open();
            using StagedUpload upload = await StageAsync(spool, "a", payload);
            Assert.Equal(Math.Min(sent, payload.Length), upload.Offset);
            upload.Write(new ReadOnlySequence<byte>(payload, (int)upload.Offset, Math.Min(7, payload.Length - (int)upload.Offset)));
            if (upload.Offset < payload.Length) continue;
            AssertWhole(await upload.CompleteAsync());
            return;
        }
    }

    [Fact]
    public async Task Who_stages_an_upload_again_takes_it_over_and_the_first_writes_no_more()
    {
        using var folder = new SpoolFolder();
        using Spool spool = folder.Open();
        StagedUpload first = await StageAsync(spool, "large", Large);
        first.Write(new ReadOnlySequence<byte>(Large, 0, 300_000));
        using StagedUpload second = await StageAsync(spool, "large", Large);
        Assert.Equal(300_000, second.Offset);
        Assert.Equal(StagedUpload.Superseded, Assert.Throws<FedCoreException>(() => first.Write(new ReadOnlySequence<byte>(Large, 300_000, 1))).Code);
        Assert.Equal(StagedUpload.Superseded, Assert.Throws<FedCoreException>(() => first.Offset).Code);
        Assert.Equal(StagedUpload.Superseded, (await Assert.ThrowsAsync<FedCoreException>(async () => await first.CompleteAsync())).Code);
        first.Discard();
        first.Dispose();
        second.Write(new ReadOnlySequence<byte>(Large, 300_000, Large.Length - 300_000));
        AssertWhole(await second.CompleteAsync());
    }

    [Fact]
    public async Task An_upload_of_the_same_label_with_other_bytes_begins_anew()
    {
        using var folder = new SpoolFolder();
        using Spool spool = folder.Open();
        using (StagedUpload first = await StageAsync(spool, "large", new byte[1000])) first.Write(new ReadOnlySequence<byte>(new byte[500]));
        using (StagedUpload longer = await StageAsync(spool, "large", new byte[1001]))
        {
            Assert.Equal(0, longer.Offset);
            longer.Write(new ReadOnlySequence<byte>(new byte[5]));
        }

        byte[] other = [.. new byte[1000], 1];
        using StagedUpload last = await StageAsync(spool, "large", other);
        Assert.Equal(0, last.Offset);
        last.Write(new ReadOnlySequence<byte>(other));
        Assert.Equal(other, ReadAll(await last.CompleteAsync()));
        Assert.Equal(new FileInfo(Assert.Single(folder.Segments())).Length, spool.BytesOnDisk);
    }

    [Fact]
    public async Task Bytes_that_are_not_those_of_the_digest_are_dropped_and_can_be_sent_again()
    {
        using var folder = new SpoolFolder();
        using Spool spool = folder.Open();
        byte[] wrong = [.. Large];
        wrong[^1] ^= 1;
        StagedUpload upload = await StageAsync(spool, "large", Large);
        upload.Write(new ReadOnlySequence<byte>(wrong));
        Assert.Equal(StagedUpload.WrongDigest, (await Assert.ThrowsAsync<UpdateRefusedException>(async () => await upload.CompleteAsync())).Code);
        Assert.Empty(Directory.GetFiles(folder.RunPath()));
        Assert.Equal(0, spool.BytesOnDisk);
        using StagedUpload again = await StageAsync(spool, "large", Large);
        Assert.Equal(0, again.Offset);
        again.Write(new ReadOnlySequence<byte>(Large));
        AssertWhole(await again.CompleteAsync());
    }

    [Fact]
    public async Task An_upload_takes_as_many_bytes_as_were_announced_no_fewer_and_no_more()
    {
        using var folder = new SpoolFolder();
        using Spool spool = folder.Open();
        using StagedUpload upload = await StageAsync(spool, "large", Large);
        Assert.Equal(StagedUpload.WrongLength, (await Assert.ThrowsAsync<UpdateRefusedException>(async () => await upload.CompleteAsync())).Code);
        upload.Write(new ReadOnlySequence<byte>(Large, 0, Large.Length - 1));
        Assert.Equal(StagedUpload.WrongLength, Assert.Throws<UpdateRefusedException>(() => upload.Write(new ReadOnlySequence<byte>(new byte[2]))).Code);
        Assert.Equal(StagedUpload.WrongLength, (await Assert.ThrowsAsync<UpdateRefusedException>(async () => await upload.CompleteAsync())).Code);
        upload.Write(new ReadOnlySequence<byte>(Large, Large.Length - 1, 1));
        AssertWhole(await upload.CompleteAsync());
    }

    [Fact]
    public async Task A_discarded_upload_is_gone()
    {
        using var folder = new SpoolFolder();
        using Spool spool = folder.Open();
        StagedUpload upload = await StageAsync(spool, "large", Large);
        upload.Write(new ReadOnlySequence<byte>(Large, 0, 10));
        upload.Discard();
        Assert.Empty(folder.Parts());
        Assert.Equal(0, spool.BytesOnDisk);
        Assert.Equal(StagedUpload.Superseded, Assert.Throws<FedCoreException>(() => upload.Write(default)).Code);
    }

    [Fact]
    public async Task While_an_upload_is_being_completed_it_cannot_be_taken_over()
    {
        using var syncing = new SemaphoreSlim(0);
        using var release = new ManualResetEventSlim();
        var disk = new TestDisk();
        using var folder = new SpoolFolder { Disk = disk };
        using Spool spool = folder.Open();
        StagedUpload upload = await StageAsync(spool, "large", Large);
        upload.Write(new ReadOnlySequence<byte>(Large));
        disk.OnSync = () =>
        {
            syncing.Release();
            release.Wait();
        };
        Task<SpooledUpdate> completing = upload.CompleteAsync().AsTask();
        await syncing.WaitAsync(Ct);
        Assert.Equal(StagedUpload.Busy, (await Assert.ThrowsAsync<FedCoreException>(() => StageAsync(spool, "large", Large))).Code);
        Assert.Equal(StagedUpload.Busy, (await Assert.ThrowsAsync<FedCoreException>(async () => await upload.CompleteAsync())).Code);
        upload.Discard();
        spool.Sweep();
        release.Set();
        AssertWhole(await completing);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_upload_that_could_not_be_made_durable_is_gone_and_can_be_sent_again(bool isFolder)
    {
        var disk = new TestDisk();
        using var folder = new SpoolFolder { Disk = disk };
        using Spool spool = folder.Open();
        StagedUpload upload = await StageAsync(spool, "large", Large);
        upload.Write(new ReadOnlySequence<byte>(Large));
        if (isFolder) disk.OnSyncFolder = TestDisk.Fail;
        else disk.OnSync = TestDisk.Fail;
        Assert.Equal("spool.sync", (await Assert.ThrowsAsync<FedCoreException>(async () => await upload.CompleteAsync())).Code);
        (disk.OnSync, disk.OnSyncFolder) = (null, null);
        Assert.Empty(Directory.GetFiles(folder.RunPath()));
        Assert.Equal(0, spool.BytesOnDisk);
        using StagedUpload again = await StageAsync(spool, "large", Large);
        again.Write(new ReadOnlySequence<byte>(Large));
        AssertWhole(await again.CompleteAsync());
    }

    // Three files wait while the first one is synced; then each costs a sync and all of them one for the folder.
    [Fact]
    public async Task Uploads_that_are_completed_together_share_the_sync_of_their_folder()
    {
        using var syncing = new SemaphoreSlim(0);
        using var release = new ManualResetEventSlim();
        var disk = new TestDisk();
        using var folder = new SpoolFolder { Disk = disk };
        using Spool spool = folder.Open();
        var uploads = new List<StagedUpload>();
        for (int i = 0; i < 4; i++)
        {
            uploads.Add(await StageAsync(spool, $"{i}", Payload($"{i}", 1000)));
            uploads[i].Write(new ReadOnlySequence<byte>(Payload($"{i}", 1000)));
        }

        disk.OnSync = () =>
        {
            syncing.Release();
            release.Wait();
        };
        long before = disk.Syncs;
        Task<SpooledUpdate> first = uploads[0].CompleteAsync().AsTask();
        await syncing.WaitAsync(Ct);
        Task<SpooledUpdate>[] others = [.. uploads.Skip(1).Select(upload => upload.CompleteAsync().AsTask())];
        release.Set();
        AssertWhole(await first);
        Assert.All(await Task.WhenAll(others), AssertWhole);
        Assert.Equal((1 + 1) + (3 + 1), disk.Syncs - before);
    }

    [Fact]
    public async Task A_full_disk_shows_when_an_upload_begins_and_not_at_its_end()
    {
        using SmallDisk small = SmallDisk.Mount(kilobytes: 2048);
        using Spool spool = Spool.Open(new SpoolOptions(Path.Combine(small.Path, "spool")), new Disk(), TimeProvider.System, out _);
        byte[] most = Payload("most", 1_200_000);
        using StagedUpload fits = await StageAsync(spool, "most", most);
        Assert.Equal("spool.full", (await Assert.ThrowsAsync<FedCoreException>(() => StageAsync(spool, "too much", most))).Code);
        small.Fill();

        // What was promised is kept though others have filled the disk meanwhile.
        fits.Write(new ReadOnlySequence<byte>(most));
        AssertWhole(await fits.CompleteAsync());
        Assert.Single(Directory.GetFiles(Path.Combine(small.Path, "spool", "run")));
        Assert.Equal("spool.full", (await Assert.ThrowsAsync<FedCoreException>(() => StageAsync(spool, "too late", most))).Code);
    }

    [Fact]
    public async Task Unfinished_uploads_are_swept_when_nobody_has_added_to_them_for_the_limit()
    {
        var clock = new HandClock();
        using var folder = new SpoolFolder { Clock = clock };
        var limit = TimeSpan.FromHours(10);
        using (Spool spool = folder.Open(options => options with { UploadLimit = limit }))
        {
            StagedUpload old = await StageAsync(spool, "old", Large), fresh = await StageAsync(spool, "fresh", Large);
            File.SetLastWriteTimeUtc(folder.PartOf("old"), clock.GetUtcNow().UtcDateTime);
            File.SetLastWriteTimeUtc(folder.PartOf("fresh"), clock.GetUtcNow().UtcDateTime + TimeSpan.FromHours(5));
            clock.Move(TimeSpan.FromHours(1));
            Assert.Equal(2, folder.Parts().Length);
            clock.Move(TimeSpan.FromHours(9) + TimeSpan.FromSeconds(1));
            spool.Sweep();
            Assert.Equal([folder.PartOf("fresh")], folder.Parts());
            Assert.Equal(StagedUpload.Superseded, Assert.Throws<FedCoreException>(() => old.Write(default)).Code);
            Assert.Equal(0, fresh.Offset);
        }

        // One that is too old when the spool opens goes then.
        clock.Move(limit);
        using Spool again = folder.Open(options => options with { UploadLimit = limit });
        Assert.Empty(folder.Parts());
        Assert.Equal(0, again.BytesOnDisk);
    }

    [Fact]
    public async Task Sweeping_happens_by_itself()
    {
        var clock = new HandClock();
        using var folder = new SpoolFolder { Clock = clock };
        using Spool spool = folder.Open(options => options with { UploadLimit = TimeSpan.FromHours(10) });
        using StagedUpload old = await StageAsync(spool, "old", Large);
        File.SetLastWriteTimeUtc(folder.PartOf("old"), clock.GetUtcNow().UtcDateTime - TimeSpan.FromHours(9.5));
        clock.Move(TimeSpan.FromHours(1));
        Assert.Empty(folder.Parts());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(23)]
    [InlineData(60)]
    [InlineData(88)]
    public async Task An_upload_that_a_crash_cut_in_its_header_begins_anew(int length)
    {
        using var folder = new SpoolFolder();
        using (Spool spool = folder.Open())
        {
            using StagedUpload upload = await StageAsync(spool, "large", Large);
            upload.Write(new ReadOnlySequence<byte>(Large));
        }

        using (var file = new FileStream(folder.PartOf("large"), FileMode.Open)) file.SetLength(length);
        using Spool again = folder.Open();
        Assert.Equal(0, again.BytesOnDisk);
        using StagedUpload anew = await StageAsync(again, "large", Large);
        Assert.Equal(0, anew.Offset);
    }

    // A loss of power may leave zeros where bytes had been acknowledged to nobody but the sender's progress.
    [Fact]
    public async Task Bytes_that_a_crash_changed_are_found_at_the_end()
    {
        using var folder = new SpoolFolder();
        using (Spool spool = folder.Open())
        {
            using StagedUpload upload = await StageAsync(spool, "large", Large);
            upload.Write(new ReadOnlySequence<byte>(Large, 0, 600_000));
        }

        using (var file = new FileStream(folder.PartOf("large"), FileMode.Open))
        {
            file.Position = 500_000;
            file.Write(new byte[4096]);
        }

        using Spool again = folder.Open();
        StagedUpload resumed = await StageAsync(again, "large", Large);
        Assert.Equal(600_000, resumed.Offset);
        resumed.Write(new ReadOnlySequence<byte>(Large, 600_000, Large.Length - 600_000));
        Assert.Equal(StagedUpload.WrongDigest, (await Assert.ThrowsAsync<UpdateRefusedException>(async () => await resumed.CompleteAsync())).Code);
        Assert.Empty(folder.Parts());
    }
}
