using System.Security.Cryptography;
using FedCore.SecureAggregation.Suites;

namespace FedCore.Core.Tests.SecureAggregation.Suites;

public class P256SuiteTests
{
    private static readonly ISecureAggregationSuite Suite = SecureAggregationSuites.Default;

    // RFC 5869, appendices A.1 and A.3.
    [Theory]
    [InlineData("000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9", "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")]
    [InlineData("", "", "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")]
    public void Keys_are_derived_as_the_standard_says(string salt, string info, string expected)
    {
        byte[] key = new byte[42];
        Suite.Derive([.. Enumerable.Repeat((byte)0x0b, 22)], Convert.FromHexString(salt), Convert.FromHexString(info), key);
        Assert.Equal(expected, Convert.ToHexStringLower(key));
    }

    [Fact]
    public void Both_ends_agree_on_a_secret_that_a_third_does_not_have()
    {
        using IAgreementKey a = Suite.CreateAgreementKey(), b = Suite.CreateAgreementKey(), c = Suite.CreateAgreementKey();
        using IAgreementPeer publicA = Suite.ImportPeer(a.PublicKey.Span), publicB = Suite.ImportPeer(b.PublicKey.Span);
        byte[] secret = a.Agree(publicB);
        Assert.Equal(32, secret.Length);
        Assert.Equal(secret, b.Agree(publicA));
        Assert.NotEqual(secret, c.Agree(publicA));
    }

    [Fact]
    public void A_seed_has_one_key_pair()
    {
        byte[] seed = RandomNumberGenerator.GetBytes(32);
        using IAgreementKey a = Suite.CreateAgreementKey(seed), b = Suite.CreateAgreementKey(seed), c = Suite.CreateAgreementKey(RandomNumberGenerator.GetBytes(32));
        Assert.Equal(a.PublicKey.ToArray(), b.PublicKey.ToArray());
        Assert.NotEqual(a.PublicKey.ToArray(), c.PublicKey.ToArray());
        Assert.Equal(Suite.PublicKeyLength, a.PublicKey.Length);
    }

    [Fact]
    public void Bytes_that_are_no_point_of_the_curve_are_no_key()
    {
        using IAgreementKey key = Suite.CreateAgreementKey();
        byte[] good = key.PublicKey.ToArray();
        Suite.ImportPeer(good).Dispose();
        foreach (byte[] bad in (byte[][])[[], new byte[65], good[..64], [.. good[..64], (byte)(good[64] ^ 1)], [2, .. good[1..]], [4, .. Enumerable.Repeat((byte)0xff, 64)]])
        {
            Assert.False(Suite.Verify(bad, [1], new byte[64]));
            Assert.ThrowsAny<CryptographicException>(() => Suite.ImportPeer(bad));
        }
    }

    [Fact]
    public void A_signature_is_of_one_key_and_one_message()
    {
        using ISigningKey key = Suite.CreateSigningKey(), other = Suite.CreateSigningKey();
        byte[] signature = key.Sign([1, 2, 3]);
        Assert.Equal(Suite.SignatureLength, signature.Length);
        Assert.True(Suite.Verify(key.PublicKey.Span, [1, 2, 3], signature));
        Assert.False(Suite.Verify(key.PublicKey.Span, [1, 2, 4], signature));
        Assert.False(Suite.Verify(other.PublicKey.Span, [1, 2, 3], signature));
        Assert.False(Suite.Verify(key.PublicKey.Span, [1, 2, 3], signature.AsSpan(1)));
        Assert.False(Suite.Verify(key.PublicKey.Span, [1, 2, 3], new byte[64]));
    }

    [Fact]
    public void A_signing_key_can_be_kept()
    {
        using ISigningKey key = Suite.CreateSigningKey();
        using ISigningKey again = Suite.ImportSigningKey(key.Export());
        Assert.True(Suite.Verify(key.PublicKey.Span, [5], again.Sign([5])));
        using var wrong = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        Assert.ThrowsAny<CryptographicException>(() => Suite.ImportSigningKey(wrong.ExportPkcs8PrivateKey()));
        Assert.ThrowsAny<CryptographicException>(() => Suite.ImportSigningKey([1, 2, 3]));
    }

    [Fact]
    public void A_sealed_message_opens_with_its_key_and_context_only()
    {
        byte[] key = RandomNumberGenerator.GetBytes(32), sealedMessage = new byte[3 + Suite.SealLength], opened = new byte[3];
        Suite.Seal(key, [9], [1, 2, 3], sealedMessage);
        Assert.True(Suite.Open(key, [9], sealedMessage, opened));
        Assert.Equal([1, 2, 3], opened);
        Assert.False(Suite.Open(key, [8], sealedMessage, opened));
        Assert.False(Suite.Open(RandomNumberGenerator.GetBytes(32), [9], sealedMessage, opened));
        Assert.False(Suite.Open(key, [9], sealedMessage.AsSpan(1), opened));
        sealedMessage[0] ^= 1;
        Assert.False(Suite.Open(key, [9], sealedMessage, opened));
    }
}
