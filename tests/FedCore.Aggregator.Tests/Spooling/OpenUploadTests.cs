using System.Buffers;
using FedCore.Aggregator.Spooling;
using FedCore.Aggregator.Tests.Services;
using FedCore.Compression;
using FedCore.Tests;
using static FedCore.Aggregator.Tests.Spooling.SpoolFolder;

namespace FedCore.Aggregator.Tests.Spooling;

/// <summary>Uploads whose pieces are calls of their own: nobody holds them in between.</summary>
public class OpenUploadTests
{
    private static readonly SmallRun Run = new(inputs: 50_000);

    // A check begins where a file is opened, and what is there is then read again: at every piece that would make an update of n pieces cost n² / 2.
    [Fact]
    public async Task An_upload_whose_pieces_are_calls_of_their_own_is_read_once()
    {
        using var folder = new SpoolFolder();
        using Spool spool = folder.Open();
        byte[] update = Run.Update();
        int opened = 0;
        for (int offset = 0; offset < update.Length; offset += 30_000)
        {
            using StagedUpload upload = await StageAsync(spool, "large", update, check: Check(() => opened++));
            Assert.Equal(offset, upload.Offset);
            upload.Write(new ReadOnlySequence<byte>(update, offset, Math.Min(30_000, update.Length - offset)));
            if (upload.Offset == update.Length) Assert.Equal(update, ReadAll(await upload.CompleteAsync()));
        }

        Assert.Equal(1, opened);
        Assert.Single(folder.Segments());
    }

    [Fact]
    public async Task Of_uploads_that_nobody_holds_some_stay_open_and_the_others_go_on_all_the_same()
    {
        using var folder = new SpoolFolder();
        using Spool spool = folder.Open(options => options with { MostLeftOpen = 2 });
        byte[] update = Run.Update();
        int[] opened = new int[3];
        for (int i = 0; i < 3; i++)
        {
            using StagedUpload upload = await StageAsync(spool, "large", update, $"run{i}", Check(() => opened[i]++));
            upload.Write(new ReadOnlySequence<byte>(update, 0, 300_000));
        }

        for (int i = 0; i < 3; i++)
        {
            using StagedUpload upload = await StageAsync(spool, "large", update, $"run{i}", Check(() => opened[i]++));
            Assert.Equal(300_000, upload.Offset);
            upload.Write(new ReadOnlySequence<byte>(update, 300_000, update.Length - 300_000));
            Assert.Equal(update, ReadAll(await upload.CompleteAsync()));
        }

        Assert.Equal([2, 1, 1], opened);
    }

    [Fact]
    public async Task An_upload_that_is_left_open_again_and_again_closes_no_other()
    {
        using var folder = new SpoolFolder();
        using Spool spool = folder.Open(options => options with { MostLeftOpen = 2 });
        byte[] update = Run.Update();
        int opened = 0;
        (await StageAsync(spool, "large", update, "first", Check(() => opened++))).Dispose();
        for (int i = 0; i < 5; i++) (await StageAsync(spool, "large", update, "second")).Dispose();
        (await StageAsync(spool, "large", update, "first", Check(() => opened++))).Dispose();
        Assert.Equal(1, opened);
    }

    // The check has read on, and failed where nobody knows.
    [Fact]
    public async Task An_upload_that_failed_in_the_middle_of_a_piece_goes_on_from_what_is_on_the_disk()
    {
        using var folder = new SpoolFolder();
        using Spool spool = folder.Open();
        byte[] update = Run.Update();
        bool fails = false;
        using (StagedUpload upload = await StageAsync(spool, "large", update, check: CheckUnsure))
        {
            upload.Write(new ReadOnlySequence<byte>(update, 0, 100_000));
            fails = true;
            Assert.Throws<IOException>(() => upload.Write(new ReadOnlySequence<byte>(update, 100_000, 100_000)));
        }

        fails = false;
        using StagedUpload again = await StageAsync(spool, "large", update, check: CheckUnsure);
        Assert.Equal(200_000, again.Offset);
        again.Write(new ReadOnlySequence<byte>(update, 200_000, update.Length - 200_000));
        Assert.Equal(update, ReadAll(await again.CompleteAsync()));

        UpdateCheck CheckUnsure(IEncodedUpdate content) => Run.Plan.WireCodec.BeginCheck(new Unsure(content, () => fails), 1);
    }

    [Fact]
    public async Task An_upload_that_was_left_open_can_be_dropped_and_swept()
    {
        var clock = new HandClock();
        using var folder = new SpoolFolder { Clock = clock };
        using Spool spool = folder.Open(options => options with { UploadLimit = TimeSpan.FromHours(10) });
        foreach (string label in (string[])["dropped", "swept"])
            using (StagedUpload upload = await StageAsync(spool, label, Run.Update())) upload.Write(new ReadOnlySequence<byte>(Run.Update(), 0, 10));
        spool.Drop("run", "dropped"u8);
        Assert.Equal([folder.PartOf("swept")], folder.Parts());
        File.SetLastWriteTimeUtc(folder.PartOf("swept"), clock.GetUtcNow().UtcDateTime - TimeSpan.FromHours(11));
        spool.Sweep();
        Assert.Empty(folder.Parts());
        Assert.Equal(0, spool.BytesOnDisk);
        foreach (string label in (string[])["dropped", "swept"])
            using (StagedUpload again = await StageAsync(spool, label, Run.Update())) Assert.Equal(0, again.Offset);
    }

    private static Func<IEncodedUpdate, UpdateCheck> Check(Action opened) => content =>
    {
        opened();
        return Run.Plan.WireCodec.BeginCheck(content, 1);
    };

    /// <summary>Bytes that cannot always be read.</summary>
    private sealed class Unsure(IEncodedUpdate content, Func<bool> fails) : IEncodedUpdate
    {
        private bool _hasFailed;

        public long Length => content.Length;

        // Whoever failed once has lost his place.
        public ReadOnlySpan<byte> Read(long offset, int count) => (_hasFailed |= fails()) ? throw new IOException("The disk has gone.") : content.Read(offset, count);

        public void Dispose() => content.Dispose();
    }
}
