using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using FedCore.Numerics;

namespace FedCore.Core.Tests.Numerics;

public class RandomKeysTests
{
    private static readonly string LongName = new('x', 5000);

    [Fact]
    public void Equal_parts_give_equal_streams() => Assert.Equal(
        Draw(new RandomKeys("run"u8, 7).Stream("batches", 3, "site")), Draw(new RandomKeys("run"u8, 7).Stream("batches", 3, "site")));

    [Fact]
    public void Streams_differ_where_any_part_differs()
    {
        RandomKeys keys = new("run"u8, 7);
        RandomStream[] streams =
        [
            keys.Stream("batches", 3, "site"),
            new RandomKeys("Run"u8, 7).Stream("batches", 3, "site"),
            new RandomKeys("run"u8, 8).Stream("batches", 3, "site"),
            keys.Stream("batch", 3, "site"),
            keys.Stream("batches", 4, "site"),
            keys.Stream("batches", -3, "site"),
            keys.Stream("batches", 3L << 32, "site"),
            keys.Stream("batches", 3, "Site"),
            keys.Stream("batches", 3),
            keys.Stream("", 3, "sitebatches"),
            keys.Stream("sitebatches", 3),
        ];
        Assert.Equal(streams.Length, streams.Select(stream => stream.NextUInt64()).Distinct().Count());
    }

    [Fact]
    public void Where_a_site_ends_and_a_purpose_begins_makes_a_difference()
    {
        RandomKeys keys = new("run"u8, 7);
        Assert.NotEqual(Draw(keys.Stream("bc", 1, "a")), Draw(keys.Stream("c", 1, "ab")));
    }

    [Fact]
    public void Where_a_run_hash_ends_and_the_seed_begins_makes_a_difference() => Assert.NotEqual(
        Draw(new RandomKeys([1], 0).Stream("x")), Draw(new RandomKeys([], 1).Stream("x")));

    [Fact]
    public void Long_names_count_to_their_last_letter()
    {
        RandomKeys keys = new("run"u8, 7);
        Assert.NotEqual(Draw(keys.Stream("p", 1, LongName + "a")), Draw(keys.Stream("p", 1, LongName + "b")));
    }

    // The key as RandomKeys documents it: SHA-256 over SHA-256(run hash, seed), round, length of the site's name, site, purpose.
    [Theory]
    [InlineData("batches", 3, "Universitätsklinik", 40)]
    [InlineData("p", 0, "", 0)]
    [InlineData("cohort", long.MaxValue, "s", 400)]
    public void The_key_is_the_hash_of_all_parts(string purpose, long round, string site, int padding)
    {
        site += new string('.', padding);
        byte[] message =
        [
            .. SHA256.HashData([1, 2, 3, .. Bytes(-5)]), .. Bytes(round), .. Bytes(Encoding.UTF8.GetByteCount(site))[..4],
            .. Encoding.UTF8.GetBytes(site), .. Encoding.UTF8.GetBytes(purpose),
        ];
        Assert.Equal(Draw(new RandomStream(SHA256.HashData(message))), Draw(new RandomKeys([1, 2, 3], -5).Stream(purpose, round, site)));
    }

    private static ulong[] Draw(RandomStream stream) => [.. Enumerable.Range(0, 4).Select(_ => stream.NextUInt64())];

    private static byte[] Bytes(long value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return bytes;
    }
}
