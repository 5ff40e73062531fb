using System.Security.Cryptography;
using FedCore.Aggregator.Models;
using FedCore.Aggregator.Storage;
using FedCore.Aggregator.Tests.Child;
using FedCore.Tests;

namespace FedCore.Aggregator.Tests.Models;

public sealed class BlobStoreTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TestDisk _disk = new();
    private readonly HandClock _clock = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private string Root => _folder["blobs"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1_000_003)]
    public async Task What_was_put_is_found_by_its_digest_also_by_another_process(int length)
    {
        byte[] content = Payloads.Of("model", length);
        BlobInfo info;
        using (BlobStore store = Open()) info = await PutAsync(store, content, piece: 1000);
        Assert.Equal(new BlobInfo(DigestOf(content), length), info);
        using BlobStore again = Open();
        Assert.True(again.Contains(info.Digest));
        Assert.Equal(content, Read(again, info.Digest));
        Assert.True(await again.VerifyAsync(info.Digest, Ct));
        Assert.Equal([info.Digest], again.List());
        Assert.Equal([PathOf(info.Digest)], Files());
    }

    [Fact]
    public async Task A_blob_is_durable_before_it_has_its_name_and_its_name_before_it_is_answered()
    {
        using BlobStore store = Open();
        byte[] content = [1, 2, 3];
        var steps = new List<string>();
        _disk.OnSync = () => steps.Add($"content, named: {store.Contains(DigestOf(content))}");
        _disk.OnSyncFolder = () => steps.Add($"folder, named: {store.Contains(DigestOf(content))}");
        await PutAsync(store, content);
        Assert.Equal(["content, named: False", "folder, named: False", "folder, named: True"], steps);

        // Who puts it again may be told no sooner.
        steps.Clear();
        await PutAsync(store, content);
        Assert.Equal("folder, named: True", steps[^1]);
    }

    [Fact]
    public async Task The_same_content_is_kept_once()
    {
        using BlobStore store = Open();
        BlobInfo[] infos = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => PutAsync(store, Payloads.Of("same", 10_000)).AsTask()));
        Assert.Single(infos.Distinct());
        Assert.Single(Files());
        Assert.Equal(Payloads.Of("same", 10_000), Read(store, infos[0].Digest));
    }

    [Fact]
    public async Task Content_that_lost_its_end_is_replaced_when_it_is_put_again()
    {
        using BlobStore store = Open();
        BlobInfo info = await PutAsync(store, Payloads.Of("a", 10_000));
        using (var file = new FileStream(PathOf(info.Digest), FileMode.Open)) file.SetLength(5000);
        Assert.False(await store.VerifyAsync(info.Digest, Ct));
        await PutAsync(store, Payloads.Of("a", 10_000));
        Assert.True(await store.VerifyAsync(info.Digest, Ct));
    }

    [Fact]
    public async Task Damaged_content_is_found()
    {
        using BlobStore store = Open();
        BlobInfo info = await PutAsync(store, Payloads.Of("a", 600_000)), other = await PutAsync(store, Payloads.Of("b", 600_000));
        byte[] bytes = await File.ReadAllBytesAsync(PathOf(info.Digest), Ct);
        bytes[599_999] ^= 1;
        await File.WriteAllBytesAsync(PathOf(info.Digest), bytes, Ct);
        Assert.False(await store.VerifyAsync(info.Digest, Ct));
        Assert.True(await store.VerifyAsync(other.Digest, Ct));
    }

    public static TheoryData<string> NoDigests =>
    [
        "", "sha256:", new string('a', 64), "sha256:" + new string('a', 63), "sha256:" + new string('a', 65), "sha256:" + new string('A', 64), "SHA256:" + new string('a', 64),
        "sha256:" + new string('g', 64), "sha256:../" + new string('a', 61), "sha256:/etc/passwd" + new string('a', 53), "sha256:" + new string('a', 63) + "\n",
    ];

    [Theory]
    [MemberData(nameof(NoDigests))]
    public async Task What_is_no_digest_is_refused(string text)
    {
        using BlobStore store = Open();
        Assert.Throws<ArgumentException>(() => store.OpenRead(text));
        Assert.Throws<ArgumentException>(() => store.Contains(text));
        Assert.Throws<ArgumentException>(() => store.Delete(text));
        await Assert.ThrowsAsync<ArgumentException>(async () => await store.VerifyAsync(text, Ct));
    }

    [Fact]
    public async Task A_digest_that_nothing_has_is_missing()
    {
        using BlobStore store = Open();
        string digest = DigestOf([1]);
        Assert.False(store.Contains(digest));
        Assert.False(store.Delete(digest));
        Assert.Equal(BlobStore.Missing, Assert.Throws<FedCoreException>(() => store.OpenRead(digest)).Code);
        Assert.Equal(BlobStore.Missing, (await Assert.ThrowsAsync<FedCoreException>(async () => await store.VerifyAsync(digest, Ct))).Code);
    }

    [Fact]
    public async Task Readers_share_a_file_and_read_on_when_it_is_deleted_and_put_again()
    {
        using BlobStore store = Open();
        byte[] content = Payloads.Of("a", 300_000);
        string digest = (await PutAsync(store, content)).Digest;
        Blob first = store.OpenRead(digest), second = store.OpenRead(digest);
        if (OperatingSystem.IsLinux()) Assert.Equal(1, OpenFiles());
        Assert.True(store.Delete(digest));
        Assert.False(store.Contains(digest));
        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() => Assert.Equal(content[(i * 1000)..(i * 1000 + 500)], ReadAt(i % 2 == 0 ? first : second, i * 1000, 500)), Ct)));
        first.Dispose();
        first.Dispose();
        await PutAsync(store, content);
        using (Blob third = store.OpenRead(digest)) Assert.Equal(content[..10], ReadAt(third, 0, 10));
        Assert.Equal(content[299_990..], ReadAt(second, 299_990, 10));
        second.Dispose();
        if (OperatingSystem.IsLinux()) Assert.Equal(0, OpenFiles());
        Assert.Throws<ObjectDisposedException>(() => second.Read(new byte[1], 0));
    }

    [Fact]
    public async Task Collecting_keeps_what_is_named_and_what_was_put_since()
    {
        using BlobStore store = Open();
        string kept = (await PutAsync(store, [1])).Digest, old = (await PutAsync(store, [2])).Digest, again = (await PutAsync(store, [3])).Digest;
        _clock.Move(TimeSpan.FromMinutes(1));
        DateTimeOffset before = _clock.GetUtcNow();
        _clock.Move(TimeSpan.FromMinutes(1));
        string since = (await PutAsync(store, [4])).Digest;
        await PutAsync(store, [3]);
        Assert.Equal(1, store.Collect(new HashSet<string> { kept, DigestOf([99]) }, before));
        Assert.Equal(new HashSet<string> { kept, again, since }, store.List().ToHashSet());
        Assert.False(store.Contains(old));
        Assert.Equal(3, store.Collect(new HashSet<string>(), _clock.GetUtcNow().AddSeconds(1)));
        Assert.Empty(store.List());
    }

    [Fact]
    public void What_is_not_committed_or_fails_leaves_nothing()
    {
        using BlobStore store = Open();
        using (BlobWriter writer = store.Create()) writer.Write(new byte[100_000]);
        Assert.Empty(Files());
        using (BlobWriter failing = store.Create())
        {
            failing.Write(new byte[10]);
            _disk.OnSync = TestDisk.Fail;
            Assert.Equal(BlobStore.Unwritten, Assert.Throws<FedCoreException>(failing.Commit).Code);
            _disk.OnSync = null;
        }

        Assert.Empty(Files());
        using BlobWriter done = store.Create();
        done.Write([1]);
        done.Commit();
        Assert.Throws<ObjectDisposedException>(() => done.Write([2]));
        Assert.Throws<ObjectDisposedException>(done.Commit);
    }

    [Fact]
    public async Task A_fault_of_the_writer_comes_through_and_leaves_nothing()
    {
        using BlobStore store = Open();
        await Assert.ThrowsAsync<InvalidDataException>(async () => await store.PutAsync(
            stream =>
            {
                stream.Write(new byte[100]);
                throw new InvalidDataException();
            },
            Ct));
        Assert.Empty(Files());
    }

    [Fact]
    public async Task On_a_full_disk_a_blob_is_refused_and_taken_when_there_is_room()
    {
        using SmallDisk small = SmallDisk.Mount(kilobytes: 1024);
        using var store = BlobStore.Open(Path.Combine(small.Path, "blobs"), new Disk(), TimeProvider.System);
        string filler = small.Fill(exceptBytes: 100_000);
        foreach (int length in (int[])[500_000, 110_000])
            Assert.Equal(BlobStore.Full, (await Assert.ThrowsAsync<FedCoreException>(async () => await PutAsync(store, new byte[length]))).Code);
        File.Delete(filler);
        Assert.True(await store.VerifyAsync((await PutAsync(store, new byte[500_000])).Digest, Ct));
    }

    [Fact]
    public async Task A_process_that_is_killed_while_putting_leaves_no_half_blob_and_what_it_acknowledged()
    {
        for (int kill = 1; kill <= 3; kill++)
        {
            List<string> acknowledged = await ChildProcess.KillAfterAsync(10 * kill, "blobs", Root, $"{kill}");
            using BlobStore store = Open();
            Assert.All(acknowledged, digest => Assert.True(store.Contains(digest)));
            foreach (string digest in store.List()) Assert.True(await store.VerifyAsync(digest, Ct), digest);
            Assert.Equal(store.List().Count(), Files().Length);
        }
    }

    [Fact]
    public void A_second_opener_is_refused_until_the_first_has_closed()
    {
        using (Open()) Assert.Equal("blobs.in-use", Assert.Throws<FedCoreException>(Open).Code);
        Open().Dispose();
    }

    [Fact]
    public async Task Files_and_folders_are_their_owners_alone()
    {
        using BlobStore store = Open();
        await PutAsync(store, [1]);
        using BlobWriter unfinished = store.Create();
        Owners.AssertAlone(PathOf(DigestOf([1]))[..^63]);
        Owners.AssertAlone(Path.Combine(Root, "unfinished"));
    }

    private static ValueTask<BlobInfo> PutAsync(BlobStore store, byte[] content, int piece = int.MaxValue) => store.PutAsync(
        stream =>
        {
            for (long offset = 0; offset < content.Length; offset += piece) stream.Write(content, (int)offset, (int)Math.Min(piece, content.Length - offset));
        },
        Ct);

    private static byte[] Read(BlobStore store, string digest)
    {
        using Blob blob = store.OpenRead(digest);
        return ReadAt(blob, 0, (int)blob.Length);
    }

    private static byte[] ReadAt(Blob blob, long offset, int count)
    {
        byte[] bytes = new byte[count];
        for (int filled = 0; filled < count;)
        {
            int read = blob.Read(bytes.AsSpan(filled), offset + filled);
            Assert.NotEqual(0, read);
            filled += read;
        }

        return bytes;
    }

    private static string DigestOf(byte[] content) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(content));

    private BlobStore Open() => BlobStore.Open(Root, _disk, _clock);

    private string PathOf(string digest) => Path.Combine(Root, digest[7..9], digest[9..]);

    private string[] Files() => [.. Directory.GetFiles(Root, "*", SearchOption.AllDirectories).Where(file => Path.GetFileName(file) != ".lock")];

    private int OpenFiles() => new DirectoryInfo("/proc/self/fd").EnumerateFileSystemInfos()
        .Count(handle => handle.LinkTarget is { } target && target.StartsWith(Root + "/", StringComparison.Ordinal) && !target.EndsWith(".lock", StringComparison.Ordinal));
}
