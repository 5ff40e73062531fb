using System.Buffers.Binary;
using System.Security.Cryptography;
using FedCore.SecureAggregation.Sharing;
using FsCheck;
using FsCheck.Fluent;

namespace FedCore.Core.Tests.SecureAggregation.Sharing;

public class SecretSharingTests
{
    private const int Length = SecretSharing.ShareLength;

    [Fact]
    public void Any_threshold_of_shares_gives_the_secret_back() => Check.One(Properties.Cases(200), Prop.ForAll(
        Gen.Choose(1, 40).ToArbitrary(), Gen.Choose(0, 20).ToArbitrary(), Gen.Choose(0, int.MaxValue).ToArbitrary(), (threshold, more, seed) =>
        {
            byte[] secret = RandomNumberGenerator.GetBytes(32);
            (uint[] places, byte[] shares) = Split(secret, threshold, threshold + more);
            int[] some = [.. Enumerable.Range(0, places.Length)];
            new Random(seed).Shuffle(some);
            return Combine(places, shares, some[..threshold]).SequenceEqual(secret);
        }));

    [Theory]
    [InlineData(0x00)]
    [InlineData(0xff)]
    public void Secrets_of_nothing_but_zeros_or_ones_come_back(byte value)
    {
        byte[] secret = [.. Enumerable.Repeat(value, 32)];
        (uint[] places, byte[] shares) = Split(secret, 3, 5);
        Assert.Equal(secret, Combine(places, shares, [4, 0, 2]));
    }

    // With one share fewer every secret is equally likely: of a fixed secret the first chunk of a share is uniform, here over 32 cells of 20,000 draws.
    [Fact]
    public void A_share_alone_says_nothing_of_the_secret()
    {
        int[] cells = new int[32];
        for (int draw = 0; draw < 20_000; draw++)
        {
            (_, byte[] shares) = Split(new byte[32], 2, 1);
            cells[(ulong)BinaryPrimitives.ReadUInt32LittleEndian(shares) * 32 / PrimeField.Prime]++;
        }

        Assert.InRange(Statistics.ChiSquare(cells), 0, 100); // 31 degrees of freedom: above 100 once in 10^9 draws, since these are not of a fixed seed.
    }

    [Fact]
    public void A_wrong_share_gives_another_secret_and_is_told_by_the_others()
    {
        byte[] secret = RandomNumberGenerator.GetBytes(32);
        (uint[] places, byte[] shares) = Split(secret, 3, 4);
        Assert.True(SecretSharing.Agrees(places.AsSpan(0, 3), shares.AsSpan(0, 3 * Length), places[3], shares.AsSpan(3 * Length)));
        shares[3 * Length] ^= 1;
        Assert.False(SecretSharing.Agrees(places.AsSpan(0, 3), shares.AsSpan(0, 3 * Length), places[3], shares.AsSpan(3 * Length)));
        Assert.NotEqual(secret, Combine(places, shares, [0, 1, 3]));
    }

    [Fact]
    public void A_place_that_is_there_twice_or_0_is_refused()
    {
        (uint[] places, byte[] shares) = Split(new byte[32], 2, 2);
        Assert.Throws<ArgumentException>(() => SecretSharing.Combine([places[0], places[0]], shares, new byte[32]));
        Assert.Throws<ArgumentException>(() => SecretSharing.Combine([0, places[0]], shares, new byte[32]));
    }

    [Fact]
    public void Values_outside_the_field_are_no_share()
    {
        byte[] share = new byte[Length];
        BinaryPrimitives.WriteUInt32LittleEndian(share.AsSpan(8), PrimeField.Prime - 1);
        Assert.True(SecretSharing.IsShare(share));
        BinaryPrimitives.WriteUInt32LittleEndian(share.AsSpan(8), PrimeField.Prime);
        Assert.False(SecretSharing.IsShare(share));
        Assert.False(SecretSharing.IsShare(share.AsSpan(1)));
    }

    [Fact]
    public void Every_element_but_0_has_an_inverse() => Check.One(Properties.Cases(1000), Prop.ForAll(
        Gen.Choose(1, int.MaxValue).ToArbitrary(), a => PrimeField.Multiply((uint)a, PrimeField.Invert((uint)a)) == 1));

    private static (uint[] Places, byte[] Shares) Split(byte[] secret, int threshold, int holders)
    {
        uint[] places = [.. Enumerable.Range(1, holders).Select(place => (uint)(7 * place))];
        byte[] shares = new byte[holders * Length];
        SecretSharing.Split(secret, threshold, places, shares);
        return (places, shares);
    }

    private static byte[] Combine(uint[] places, byte[] shares, int[] some)
    {
        byte[] secret = new byte[32];
        SecretSharing.Combine([.. some.Select(i => places[i])], [.. some.SelectMany(i => shares[(i * Length)..((i + 1) * Length)])], secret);
        return secret;
    }
}
