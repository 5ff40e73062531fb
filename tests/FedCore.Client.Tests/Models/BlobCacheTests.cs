using System.Security.Cryptography;
using FedCore.Client.Models;
using FedCore.Protocol.V1;
using FedCore.Tests;
using Google.Protobuf;

namespace FedCore.Client.Tests.Models;

public sealed class BlobCacheTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly HandClock _clock = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_was_not_used_for_longest_goes_first_and_what_is_needed_stays()
    {
        BlobCache cache = Cache(250);
        (Blob Blob, byte[] Content)[] all = [.. Enumerable.Range(0, 3).Select(i => Content((byte)i, 100))];
        foreach ((Blob blob, byte[] content) in all)
        {
            Assert.NotNull(cache.Put(blob, content));
            _clock.Move(TimeSpan.FromSeconds(1));
        }

        Assert.NotNull(cache.Find(all[0].Blob));
        cache.Trim([]);
        Assert.Equal([true, false, true], all.Select(one => cache.Find(one.Blob) is not null));
        _clock.Move(TimeSpan.FromSeconds(1));

        // What the next task needs takes its room before it is here.
        cache.Trim([Content(9, 240).Blob, all[2].Blob]);
        Assert.Equal([false, false, true], all.Select(one => cache.Find(one.Blob) is not null));
    }

    [Fact]
    public void What_was_changed_on_the_disk_is_found_out_by_the_next_process()
    {
        (Blob blob, byte[] content) = Content(1, 100);
        string path = Cache(1000).Put(blob, content)!;
        Assert.NotNull(Cache(1000).Find(blob));
        content[50] ^= 1;
        File.WriteAllBytes(path, content);
        Assert.Null(Cache(1000).Find(blob));
        Assert.False(File.Exists(path));
    }

    [Fact]
    public void A_content_with_another_digest_or_length_is_not_kept()
    {
        (Blob blob, byte[] content) = Content(1, 100);
        Assert.Null(Cache(1000).Put(blob, content.AsSpan(1)));
        content[0] ^= 1;
        Assert.Null(Cache(1000).Put(blob, content));
        using (FileStream partial = Cache(1000).Append(blob)) partial.Write(content);
        Assert.Null(Cache(1000).Accept(blob));
        Assert.Empty(Directory.EnumerateFiles(_folder.Path));
    }

    [Fact]
    public void A_download_goes_on_behind_what_is_here()
    {
        (Blob blob, byte[] content) = Content(1, 100);
        using (FileStream partial = Cache(1000).Append(blob)) partial.Write(content.AsSpan(0, 60));
        using (FileStream partial = Cache(1000).Append(blob))
        {
            Assert.Equal(60, partial.Length);
            partial.Write(content.AsSpan(60));
        }

        Assert.Equal(content, File.ReadAllBytes(Cache(1000).Accept(blob)!));
    }

    private BlobCache Cache(long maxBytes) => new(_folder.Path, maxBytes, _clock);

    private static (Blob Blob, byte[] Content) Content(byte value, int length)
    {
        byte[] content = new byte[length];
        content.AsSpan().Fill(value);
        return (new Blob { Digest = ByteString.CopyFrom(SHA256.HashData(content)), Length = length }, content);
    }
}
