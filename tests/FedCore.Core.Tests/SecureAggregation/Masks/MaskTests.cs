using System.Security.Cryptography;
using FedCore.SecureAggregation.Masks;

namespace FedCore.Core.Tests.SecureAggregation.Masks;

public class MaskTests
{
    // NIST SP 800-38A, F.5.5: CTR-AES256.Encrypt.
    [Fact]
    public void The_stream_is_that_of_the_standard()
    {
        using var stream = new MaskStream(Convert.FromHexString("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"));
        byte[] counters = Convert.FromHexString("f0f1f2f3f4f5f6f7f8f9fafbfcfdfefff0f1f2f3f4f5f6f7f8f9fafbfcfdff00f0f1f2f3f4f5f6f7f8f9fafbfcfdff01f0f1f2f3f4f5f6f7f8f9fafbfcfdff02");
        byte[] plain = Convert.FromHexString("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
        byte[] target = new byte[64];
        stream.Encrypt(counters, 64, target);
        Assert.Equal(
            "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c52b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
            Convert.ToHexStringLower([.. target.Zip(plain, (a, b) => (byte)(a ^ b))]));
    }

    [Fact]
    public void Counters_count_in_the_last_bytes_the_highest_first()
    {
        byte[] counters = new byte[48];
        MaskStream.WriteCounters(255, counters);
        Assert.Equal("000000000000000000000000000000ff00000000000000000000000000000100" + "00000000000000000000000000000101", Convert.ToHexStringLower(counters));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(3, 5)]
    [InlineData(2, 8192)]
    [InlineData(5, 20_001)]
    public void Masks_that_are_added_and_subtracted_leave_nothing(int scalars, int length)
    {
        byte[][] keys = [.. Enumerable.Range(0, 3).Select(_ => RandomNumberGenerator.GetBytes(32))];
        ulong[] numbers = [.. Enumerable.Range(0, scalars).Select(i => (ulong)i)];
        uint[] words = [.. Enumerable.Range(0, length).Select(i => (uint)i)];
        foreach (bool isAdded in (bool[])[true, false])
        {
            using var masks = new MaskSet(scalars);
            foreach (byte[] key in keys) masks.Include(key, isAdded);
            masks.ApplyToScalars(numbers);
            masks.Apply(0, words);
            if (isAdded) Assert.NotEqual([.. Enumerable.Range(0, length).Select(i => (uint)i)], words);
        }

        Assert.Equal([.. Enumerable.Range(0, scalars).Select(i => (ulong)i)], numbers);
        Assert.Equal([.. Enumerable.Range(0, length).Select(i => (uint)i)], words);
    }

    [Fact]
    public void A_mask_is_the_same_in_pieces_and_does_not_cover_the_numbers_beside_it_with_the_same_bytes()
    {
        byte[] key = RandomNumberGenerator.GetBytes(32);
        uint[] whole = new uint[30_000], pieces = new uint[30_000];
        ulong[] scalars = new ulong[3];
        using var masks = new MaskSet(3);
        masks.Include(key, isAdded: true);
        masks.Apply(0, whole);
        masks.ApplyToScalars(scalars);
        for (int first = 0; first < pieces.Length; first += 4100) masks.Apply(first, pieces.AsSpan(first, Math.Min(4100, pieces.Length - first)));
        Assert.Equal(whole, pieces);

        // Two blocks of the stream are the three numbers' and a gap, the rest is the vector's.
        byte[] bytes = new byte[32 + 16];
        using var stream = new MaskStream(key);
        stream.Read(0, bytes);
        Assert.Equal([.. Enumerable.Range(0, 3).Select(i => BitConverter.ToUInt64(bytes, 8 * i))], scalars);
        Assert.Equal([.. Enumerable.Range(0, 4).Select(i => BitConverter.ToUInt32(bytes, 32 + 4 * i))], whole[..4]);
    }
}
