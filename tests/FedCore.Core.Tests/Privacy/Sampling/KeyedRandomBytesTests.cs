using FedCore.Privacy.Sampling;

namespace FedCore.Core.Tests.Privacy.Sampling;

/// <summary>Random bytes that come again for whoever has the key.</summary>
public class KeyedRandomBytesTests
{
    private static readonly byte[] Secret = [.. Enumerable.Range(1, KeyedRandomBytes.SecretLength).Select(i => (byte)i)];

    [Fact]
    public void The_same_key_and_name_give_the_same_bytes_and_others_give_others()
    {
        using NoiseKey key = new(Secret), same = new(Secret), other = NoiseKey.Create();
        Assert.Equal(Draw(key, "tree 0 1"), Draw(same, "tree 0 1"));
        Assert.NotEqual(Draw(key, "tree 0 1"), Draw(key, "tree 0 2"));
        Assert.NotEqual(Draw(key, "tree 0 1"), Draw(other, "tree 0 1"));
        Assert.Equal(key.Id, same.Id);
        Assert.NotEqual(key.Id, other.Id);
    }

    // Pieces of the stream follow each other.
    [Fact]
    public void Bytes_go_on_where_the_last_ended()
    {
        using var key = new NoiseKey(Secret);
        ulong[] words = Draw(key, "long", 5000);
        Assert.Equal(words.Length, words.Distinct().Count());
    }

    // What runs of an earlier version drew must come again, or not be asked for: who makes other noise of the same bytes gives the key another name.
    [Fact]
    public void The_same_key_draws_the_same_noise_as_long_as_it_has_its_name()
    {
        using var key = new NoiseKey(Secret);
        using RandomBytes random = key.Draw("tree 0 1");
        DiscreteGaussianSampler narrow = new(4, 1, random), wide = new(1L << 50, 1, random);
        uint[] many = new uint[1000];
        narrow.AddTo(many);
        wide.AddTo(many);
        Assert.Equal(
            ("a42d3ee724a014a9", "3 -24864047 1 12238983 -2 63366581 -1 -59772170", 2_339_898_272),
            (key.Id, string.Join(' ', Enumerable.Range(0, 4).SelectMany(_ => (long[])[narrow.Next(), wide.Next()])), many.Aggregate(0u, (hash, word) => hash * 31 + word)));
    }

    [Fact]
    public void A_secret_has_32_bytes() => Assert.Throws<ArgumentOutOfRangeException>(() => new NoiseKey(new byte[16]));

    private static ulong[] Draw(NoiseKey key, string name, int count = 8)
    {
        using RandomBytes random = key.Draw(name);
        Assert.False(random.IsSimulated);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextUInt64())];
    }
}
