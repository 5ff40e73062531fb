using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace FedCore.SecureAggregation.Sharing;

/// <summary>
/// Secrets of 32 bytes in shares, of which any threshold gives the secret back and fewer tell nothing (Shamir 1979), over the field of 2^31 + 11 elements: nine chunks of 31
/// bits, each the value at 0 of a polynomial of its own. A share is the nine values at the holder's place, 36 bytes. A wrong share gives another secret and nobody
/// notices here: whoever combines compares the secret with what was said of it before.
/// </summary>
internal static class SecretSharing
{
    /// <summary>Bytes of a secret.</summary>
    public const int SecretLength = 32;

    /// <summary>Bytes of a share.</summary>
    public const int ShareLength = Chunks * sizeof(uint);

    private const int Chunks = 9, ChunkBits = 31;

    /// <summary>Splits a secret.</summary>
    /// <param name="secret">32 bytes.</param>
    /// <param name="threshold">How many shares give it back, at least 1.</param>
    /// <param name="places">The holders' places: different, and not 0.</param>
    /// <param name="shares">Receives 36 bytes for each place.</param>
    public static void Split(ReadOnlySpan<byte> secret, int threshold, ReadOnlySpan<uint> places, Span<byte> shares)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(secret.Length, SecretLength, nameof(secret));
        ArgumentOutOfRangeException.ThrowIfLessThan(threshold, 1);
        ArgumentOutOfRangeException.ThrowIfNotEqual(shares.Length, places.Length * ShareLength, nameof(shares));

        // The coefficients of one power of all chunks lie side by side, the highest power first, the secret last.
        uint[] coefficients = new uint[threshold * Chunks];
        try
        {
            DrawElements(coefficients.AsSpan(0, (threshold - 1) * Chunks));
            ToChunks(secret, coefficients.AsSpan((threshold - 1) * Chunks));
            Span<uint> values = stackalloc uint[Chunks];
            for (int holder = 0; holder < places.Length; holder++)
            {
                values.Clear();
                for (int power = 0; power < threshold; power++)
                {
                    ReadOnlySpan<uint> row = coefficients.AsSpan(power * Chunks, Chunks);
                    for (int chunk = 0; chunk < Chunks; chunk++) values[chunk] = PrimeField.MultiplyAdd(values[chunk], places[holder], row[chunk]);
                }

                for (int chunk = 0; chunk < Chunks; chunk++) BinaryPrimitives.WriteUInt32LittleEndian(shares[(holder * ShareLength + chunk * sizeof(uint))..], values[chunk]);
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(coefficients.AsSpan()));
        }
    }

    /// <summary>Whether bytes can be a share: nine elements of the field.</summary>
    public static bool IsShare(ReadOnlySpan<byte> share)
    {
        if (share.Length != ShareLength) return false;
        for (int i = 0; i < ShareLength; i += sizeof(uint))
            if (BinaryPrimitives.ReadUInt32LittleEndian(share[i..]) >= PrimeField.Prime) return false;
        return true;
    }

    /// <summary>Gives a secret back.</summary>
    /// <param name="places">The places of as many holders as the threshold: different, and not 0.</param>
    /// <param name="shares">Their shares, 36 bytes each, as <see cref="IsShare"/> lets them pass.</param>
    /// <param name="secret">Receives 32 bytes.</param>
    /// <returns>Whether the shares are of any secret; where not, one of them is wrong.</returns>
    public static bool Combine(ReadOnlySpan<uint> places, ReadOnlySpan<byte> shares, Span<byte> secret)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(secret.Length, SecretLength, nameof(secret));
        Span<uint> chunks = stackalloc uint[Chunks];
        Interpolate(places, shares, 0, chunks);
        bool isSecret = ToBytes(chunks, secret);
        CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(chunks));
        return isSecret;
    }

    /// <summary>Whether a share lies on the polynomials that others fix.</summary>
    /// <param name="places">The places of as many holders as the threshold.</param>
    /// <param name="shares">Their shares.</param>
    /// <param name="place">Another holder's place.</param>
    /// <param name="share">His share.</param>
    /// <returns>True if it does.</returns>
    public static bool Agrees(ReadOnlySpan<uint> places, ReadOnlySpan<byte> shares, uint place, ReadOnlySpan<byte> share)
    {
        Span<uint> values = stackalloc uint[Chunks];
        Interpolate(places, shares, place, values);
        int differences = 0;
        for (int i = 0; i < Chunks; i++) differences |= (int)(values[i] ^ BinaryPrimitives.ReadUInt32LittleEndian(share[(i * sizeof(uint))..]));
        CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(values));
        return differences == 0;
    }

    // The value at one place from those at others: the sum of y_i * prod (x - x_j) / (x_i - x_j).
    private static void Interpolate(ReadOnlySpan<uint> places, ReadOnlySpan<byte> shares, uint at, Span<uint> values)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(shares.Length, places.Length * ShareLength, nameof(shares));
        values.Clear();
        for (int i = 0; i < places.Length; i++)
        {
            uint above = 1, below = 1;
            for (int j = 0; j < places.Length; j++)
            {
                if (j == i) continue;
                if (places[i] == places[j] || places[i] is 0 or >= PrimeField.Prime) throw new ArgumentException($"Place {places[i]} is there twice, or is no holder's.", nameof(places));
                above = PrimeField.Multiply(above, PrimeField.Subtract(at, places[j]));
                below = PrimeField.Multiply(below, PrimeField.Subtract(places[i], places[j]));
            }

            uint weight = PrimeField.Multiply(above, PrimeField.Invert(below));
            for (int chunk = 0; chunk < Chunks; chunk++)
            {
                uint value = BinaryPrimitives.ReadUInt32LittleEndian(shares[(i * ShareLength + chunk * sizeof(uint))..]);
                values[chunk] = PrimeField.MultiplyAdd(weight, value, values[chunk]);
            }
        }
    }

    // Uniform elements of the field: numbers of 32 bits, of which those from the prime on, nearly half, are thrown away.
    private static void DrawElements(Span<uint> elements)
    {
        Span<uint> drawn = stackalloc uint[256];
        int left = 0;
        for (int i = 0; i < elements.Length;)
        {
            if (left == 0)
            {
                RandomNumberGenerator.Fill(MemoryMarshal.AsBytes(drawn));
                left = drawn.Length;
            }

            uint candidate = drawn[--left];
            if (candidate < PrimeField.Prime) elements[i++] = candidate;
        }

        CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(drawn));
    }

    // Chunk i holds the bits from 31 i on, the first byte's lowest bit being bit 0; the last chunk has 8.
    private static void ToChunks(ReadOnlySpan<byte> secret, Span<uint> chunks)
    {
        Span<byte> padded = stackalloc byte[SecretLength + sizeof(ulong)];
        padded.Clear();
        secret.CopyTo(padded);
        for (int i = 0; i < Chunks; i++)
        {
            int bit = i * ChunkBits;
            chunks[i] = (uint)(BinaryPrimitives.ReadUInt64LittleEndian(padded[(bit / 8)..]) >> (bit % 8)) & int.MaxValue;
        }

        CryptographicOperations.ZeroMemory(padded);
    }

    private static bool ToBytes(ReadOnlySpan<uint> chunks, Span<byte> secret)
    {
        const int lastBits = SecretLength * 8 - (Chunks - 1) * ChunkBits;
        uint tooLarge = chunks[^1] >> lastBits;
        foreach (uint chunk in chunks) tooLarge |= chunk >> ChunkBits;
        Span<byte> padded = stackalloc byte[SecretLength + sizeof(ulong)];
        padded.Clear();
        for (int i = 0; i < Chunks; i++)
        {
            int bit = i * ChunkBits;
            Span<byte> place = padded[(bit / 8)..];
            BinaryPrimitives.WriteUInt64LittleEndian(place, BinaryPrimitives.ReadUInt64LittleEndian(place) | ((ulong)chunks[i] << (bit % 8)));
        }

        padded[..SecretLength].CopyTo(secret);
        CryptographicOperations.ZeroMemory(padded);
        return tooLarge == 0;
    }
}
