using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace FedCore.Numerics;

/// <summary>
/// The root of a run's reproducible random streams: each is keyed by (run hash, seed, round, site, purpose) through SHA-256, never by a connection, a
/// thread or a clock, so that any part of a run can be repeated alone.
/// </summary>
public sealed class RandomKeys
{
    private const int MaxStackName = 256;

    // A hash object that is used again costs less than a new one; streams are made for every client of every round.
    [ThreadStatic]
    private static IncrementalHash? _hash;

    private readonly byte[] _root;

    /// <summary>Derives the root.</summary>
    /// <param name="runHash">The run's hash, or any other bytes that name what the streams belong to.</param>
    /// <param name="seed">The public seed.</param>
    public RandomKeys(ReadOnlySpan<byte> runHash, long seed)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> seedBytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(seedBytes, seed);
        hash.AppendData(runHash);
        hash.AppendData(seedBytes);
        _root = hash.GetHashAndReset();
    }

    /// <summary>The stream for one purpose at one site in one round.</summary>
    /// <param name="purpose">What the numbers are for, such as <c>batches</c>.</param>
    /// <param name="round">The round, or 0 for what belongs to no round.</param>
    /// <param name="site">The site's name, or empty for what belongs to no site.</param>
    /// <returns>A new stream at its beginning.</returns>
    public RandomStream Stream(string purpose, long round = 0, string site = "")
    {
        ArgumentNullException.ThrowIfNull(purpose);
        ArgumentNullException.ThrowIfNull(site);
        int size = 32 + 8 + 4 + Encoding.UTF8.GetMaxByteCount(site.Length) + Encoding.UTF8.GetMaxByteCount(purpose.Length);
        Span<byte> message = size <= MaxStackName ? stackalloc byte[MaxStackName] : new byte[size];
        _root.CopyTo(message);
        BinaryPrimitives.WriteInt64LittleEndian(message[32..], round);
        int siteLength = Encoding.UTF8.GetBytes(site, message[44..]);
        BinaryPrimitives.WriteInt32LittleEndian(message[40..], siteLength);
        int length = 44 + siteLength + Encoding.UTF8.GetBytes(purpose, message[(44 + siteLength)..]);
        Span<byte> key = stackalloc byte[32];
        IncrementalHash hash = _hash ??= IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(message[..length]);
        hash.GetHashAndReset(key);
        return new RandomStream(key);
    }
}
