using System.Buffers;
using System.Security.Cryptography;
using FedCore.Aggregator.Spooling;
using static FedCore.Aggregator.Tests.Spooling.SpoolFolder;

namespace FedCore.Aggregator.Tests.Spooling;

/// <summary>What is found in segments that a crash or a bad disk has changed.</summary>
public class SpoolRecoveryTests
{
    private const int Length = 37;
    private static readonly string[] Labels = ["first", "second", "", "the fourth"];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public enum Rest
    {
        CutOff,
        Zeros,
        Noise,
    }

    [Theory]
    [InlineData(Rest.CutOff)]
    [InlineData(Rest.Zeros)]
    [InlineData(Rest.Noise)]
    public async Task A_last_record_that_was_torn_anywhere_is_cut_off_and_appending_goes_on(Rest rest)
    {
        byte[] whole = await SegmentAsync();
        int last = whole.Length - RecordLength(Labels[^1]);
        for (int length = last; length < whole.Length; length++)
        {
            byte[] torn = rest == Rest.CutOff ? whole[..length] : [.. whole[..length], .. new byte[whole.Length - length]];
            if (rest == Rest.Noise) for (int i = length; i < torn.Length; i++) torn[i] = (byte)(~whole[i] ^ (i * 7));
            if (rest == Rest.Noise && length + 1 == whole.Length) torn[length] = (byte)~whole[length];
            using SpoolFolder folder = await WithSegmentAsync(torn);
            using (Spool spool = folder.Open(out IReadOnlyList<SpooledUpdate> recovered))
            {
                // Zeros may be what was written.
                bool isWhole = torn.AsSpan().SequenceEqual(whole);
                Assert.Equal(isWhole ? Labels : Labels[..^1], recovered.Select(LabelOf));
                Assert.All(recovered, AssertWhole);
                if (torn.Length > last && !isWhole) Assert.Equal(new SpoolDamage(folder.Segments()[0], last, torn.Length - last, IsTail: true), Assert.Single(folder.Damage));
                else Assert.Empty(folder.Damage);
                await AppendAsync(spool, "more", Length);
            }

            folder.Damage.Clear();
            using Spool again = folder.Open(out IReadOnlyList<SpooledUpdate> found);
            Assert.Equal("more", LabelOf(found[^1]));
            Assert.All(found, AssertWhole);
            Assert.Empty(folder.Damage);
        }
    }

    [Fact]
    public async Task A_segment_that_was_torn_in_its_first_record_or_before_goes()
    {
        byte[] whole = await SegmentAsync();
        for (int length = 0; length < SpoolFormat.FileHeaderLength + RecordLength(Labels[0]); length++)
        {
            using SpoolFolder folder = await WithSegmentAsync(whole[..length]);
            using Spool spool = folder.Open(out IReadOnlyList<SpooledUpdate> recovered);
            Assert.Empty(recovered);
            Assert.Empty(folder.Segments());
            Assert.Equal(0, spool.BytesOnDisk);
        }
    }

    // Every single byte: one record is lost at most, and none is ever served that is not what was written.
    [Fact]
    public async Task A_byte_that_changed_costs_no_record_but_its_own()
    {
        byte[] whole = await SegmentAsync();
        var starts = new List<int> { 0 };
        int end = SpoolFormat.FileHeaderLength;
        foreach (string label in Labels)
        {
            starts.Add(end);
            end += RecordLength(label);
        }

        for (int i = 0; i < whole.Length; i++)
        {
            // What a newer version wrote is refused as such only where its checksum agrees.
            byte[] changed = [.. whole];
            changed[i] ^= (byte)(1 << (i % 8));
            using SpoolFolder folder = await WithSegmentAsync(changed);
            using Spool spool = folder.Open(out IReadOnlyList<SpooledUpdate> recovered);
            int hit = starts.FindLastIndex(start => start <= i) - 1;
            Assert.Equal(Labels.Where((_, index) => index != hit), recovered.Select(LabelOf));
            Assert.All(recovered, AssertWhole);
            SpoolDamage damage = Assert.Single(folder.Damage);
            bool isTail = hit == Labels.Length - 1;
            Assert.Equal((starts[hit + 1], isTail), (damage.Offset, damage.IsTail));
            Assert.Equal(isTail ? "00000001.seg" : "00000001.seg.damaged", Path.GetFileName(Assert.Single(folder.Segments())));
            Assert.Equal(damage.Path, folder.Segments()[0]);
            Assert.Equal(isTail ? starts[^1] : whole.Length, new FileInfo(damage.Path).Length);
        }
    }

    [Fact]
    public async Task A_damaged_segment_is_set_aside_serves_its_sound_updates_after_restarts_and_goes_with_them()
    {
        byte[] changed = await SegmentAsync();
        changed[SpoolFormat.FileHeaderLength + RecordLength(Labels[0]) + 3] ^= 1;
        using SpoolFolder folder = await WithSegmentAsync(changed);
        for (int restart = 0; restart < 3; restart++)
        {
            using Spool spool = folder.Open(out IReadOnlyList<SpooledUpdate> recovered);
            Assert.Equal(["first", "", "the fourth"], recovered.Where(update => !LabelOf(update).StartsWith("new", StringComparison.Ordinal)).Select(LabelOf));
            Assert.Equal(changed.Length, new FileInfo(folder.Segments()[0]).Length);
            await AppendAsync(spool, $"new{restart}", Length);
        }

        Assert.Equal(3, folder.Damage.Count);
        using Spool last = folder.Open(out IReadOnlyList<SpooledUpdate> all);
        foreach (SpooledUpdate update in all) update.Release();
        await last.DeletedAsync();
        Assert.Empty(folder.Segments());
    }

    // The end of a segment behind which another was begun had been acknowledged.
    [Fact]
    public async Task A_torn_end_before_the_last_segment_is_damage()
    {
        using var folder = new SpoolFolder();
        using (Spool spool = folder.Open(options => options with { SegmentBytes = 1 }))
            foreach (string label in Labels) await AppendAsync(spool, label, Length);
        string[] files = folder.Segments();
        using (var file = new FileStream(files[1], FileMode.Open)) file.SetLength(file.Length - 1);
        using Spool again = folder.Open(out IReadOnlyList<SpooledUpdate> recovered);
        Assert.Equal(["first", "", "the fourth"], recovered.Select(LabelOf));
        Assert.Equal((files[1] + ".damaged", false), (folder.Damage[0].Path, folder.Damage[0].IsTail));
        Assert.Single(folder.Damage);
    }

    // An upload's segment was whole before it had its name, and the one that is appended to may have a lower number.
    [Fact]
    public async Task A_torn_segment_is_cut_though_an_upload_was_completed_behind_it()
    {
        using var folder = new SpoolFolder();
        using (Spool spool = folder.Open())
        {
            await AppendAsync(spool, "small", Length);
            byte[] payload = Payload("large", 5000);
            using StagedUpload upload = await StageAsync(spool, "large", payload);
            upload.Write(new ReadOnlySequence<byte>(payload));
            await upload.CompleteAsync();
            await AppendAsync(spool, "torn", Length);
        }

        string[] files = folder.Segments();
        using (var file = new FileStream(files[0], FileMode.Open)) file.SetLength(file.Length - 1);
        using (folder.Open(out IReadOnlyList<SpooledUpdate> recovered)) Assert.Equal(["small", "large"], recovered.Select(LabelOf));
        Assert.True(Assert.Single(folder.Damage).IsTail);

        folder.Damage.Clear();
        using (var file = new FileStream(files[1], FileMode.Open)) file.SetLength(file.Length - 1);
        using Spool again = folder.Open(out IReadOnlyList<SpooledUpdate> left);
        Assert.Equal("small", LabelOf(Assert.Single(left)));
        Assert.False(Assert.Single(folder.Damage).IsTail);
    }

    // A client that knows the format writes a record into its update, and hopes for a header before it to go bad.
    [Fact]
    public async Task A_record_inside_a_payload_is_never_taken_for_one()
    {
        byte[] forged = Payload("forged", Length), inner = SpoolFormat.CreateHead("forged"u8, Length, SHA256.HashData(forged));
        SpoolFormat.Seal(inner, salt: 0);
        byte[] header = new byte[SpoolFormat.FileHeaderLength];
        SpoolFormat.WriteFileHeader(header, SegmentKind.Shared, salt: 0);
        byte[] payload = [.. new byte[100], .. header, .. inner, .. forged, .. inner, .. forged];
        using var source = new SpoolFolder();
        using (Spool spool = source.Open())
        {
            await AppendAsync(spool, "attacker", payload);
            await AppendAsync(spool, "honest", Length);
        }

        byte[] whole = await File.ReadAllBytesAsync(source.Segments()[0], Ct);
        foreach (int[] hits in (int[][])[[SpoolFormat.FileHeaderLength + 20], [5, SpoolFormat.FileHeaderLength + 20], [5, SpoolFormat.FileHeaderLength], [SpoolFormat.FileHeaderLength + 5]])
        {
            byte[] changed = [.. whole];
            foreach (int hit in hits) changed[hit] ^= 1;
            using SpoolFolder folder = await WithSegmentAsync(changed);
            using Spool spool = folder.Open(out IReadOnlyList<SpooledUpdate> recovered);

            // With both headers gone nothing tells what is a record.
            Assert.Equal(hits.Length == 1 ? ["honest"] : [], recovered.Select(LabelOf));
            Assert.NotEmpty(folder.Damage);
            Assert.Single(folder.Segments());
        }
    }

    [Fact]
    public async Task A_newer_format_is_refused_not_taken_for_damage()
    {
        byte[] whole = await SegmentAsync();
        byte[] newer = Convert.FromHexString("466564" + "53706F6F6C" + "0200" + "0100" + "0807060504030201");
        byte[] changed = [.. newer, .. Crc32C(newer), .. whole[SpoolFormat.FileHeaderLength..]];
        using SpoolFolder folder = await WithSegmentAsync(changed);
        Assert.Equal("spool.version", Assert.Throws<FedCoreException>(() => folder.Open()).Code);
        Assert.Equal(changed, await File.ReadAllBytesAsync(folder.Segments()[0], Ct));
    }

    // The layout as the format says it, byte by byte, with a checksum of its own: files outlive the code that wrote them.
    [Fact]
    public async Task The_bytes_are_those_of_the_described_format()
    {
        byte[] file = await SegmentAsync(), payload = Payload("first", Length);
        Assert.Equal("FedSpool"u8, file.AsSpan(0, 8));
        Assert.Equal([1, 0, 1, 0], file[8..12]);
        byte[] salt = file[12..20];
        Assert.Equal(Crc32C(file[..20]), file[20..24]);
        byte[] head = [.. "FCPR"u8, .. salt, 1, 0, 5, 0, Length, 0, 0, 0, 0, 0, 0, 0, .. SHA256.HashData(payload)];
        Assert.Equal(head, file[24..80]);
        Assert.Equal(Crc32C([.. head, .. "first"u8]), file[80..84]);
        Assert.Equal("first"u8, file.AsSpan(84, 5));
        Assert.Equal(payload, file[89..(89 + Length)]);
    }

    /// <summary>CRC-32C without the final complement, bit by bit (polynomial 0x1EDC6F41, reflected).</summary>
    private static byte[] Crc32C(byte[] bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte one in bytes)
        {
            crc ^= one;
            for (int bit = 0; bit < 8; bit++) crc = (crc & 1) == 0 ? crc >> 1 : (crc >> 1) ^ 0x82F63B78;
        }

        return BitConverter.GetBytes(crc);
    }

    private static int RecordLength(string label) => SpoolFormat.RecordHeaderLength + label.Length + Length;

    private static async Task<byte[]> SegmentAsync()
    {
        using var folder = new SpoolFolder();
        using (Spool spool = folder.Open())
            foreach (string label in Labels) await AppendAsync(spool, label, Length);
        return await File.ReadAllBytesAsync(Assert.Single(folder.Segments()), Ct);
    }

    private static async Task<SpoolFolder> WithSegmentAsync(byte[] bytes)
    {
        var folder = new SpoolFolder();
        Directory.CreateDirectory(folder.RunPath());
        await File.WriteAllBytesAsync(Path.Combine(folder.RunPath(), "00000001.seg"), bytes, Ct);
        return folder;
    }
}
