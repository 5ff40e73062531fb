using System.Buffers.Binary;
using System.Numerics;

namespace FedCore.Numerics;

/// <summary>
/// A reproducible stream of random numbers for what must repeat and protects nothing: initial weights, batches, simulated devices.
/// xoshiro256** (Blackman and Vigna 2021); the same key gives the same numbers on every machine.
/// </summary>
/// <remarks>Never use it for anything that a privacy proof or a secret rests on; that is what <c>System.Security.Cryptography</c> is for.</remarks>
public sealed class RandomStream
{
    private ulong _s0, _s1, _s2, _s3;
    private double _spareNormal = double.NaN;

    /// <summary>Starts the stream of a 32-byte key, such as a SHA-256 hash.</summary>
    /// <param name="key">32 bytes, not all zero.</param>
    public RandomStream(ReadOnlySpan<byte> key)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, 32);
        _s0 = BinaryPrimitives.ReadUInt64LittleEndian(key);
        _s1 = BinaryPrimitives.ReadUInt64LittleEndian(key[8..]);
        _s2 = BinaryPrimitives.ReadUInt64LittleEndian(key[16..]);
        _s3 = BinaryPrimitives.ReadUInt64LittleEndian(key[24..]);
        if ((_s0 | _s1 | _s2 | _s3) == 0) throw new ArgumentException("A key of zeros gives a stream of zeros.", nameof(key));
    }

    /// <summary>A stream of its own that goes on as this one does.</summary>
    /// <returns>The stream.</returns>
    public RandomStream Copy() => (RandomStream)MemberwiseClone();

    /// <summary>The next 64 random bits.</summary>
    /// <returns>A number uniform over all 64-bit values.</returns>
    public ulong NextUInt64()
    {
        ulong result = BitOperations.RotateLeft(_s1 * 5, 7) * 9;
        ulong t = _s1 << 17;
        _s2 ^= _s0;
        _s3 ^= _s1;
        _s1 ^= _s2;
        _s0 ^= _s3;
        _s2 ^= t;
        _s3 = BitOperations.RotateLeft(_s3, 45);
        return result;
    }

    /// <summary>A whole number below a bound, without bias (Lemire 2019).</summary>
    /// <param name="bound">The exclusive upper bound, at least 1.</param>
    /// <returns>A number from 0 to <paramref name="bound"/> - 1.</returns>
    public long NextInt64(long bound)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bound, 1);
        ulong n = (ulong)bound;
        ulong high = Math.BigMul(NextUInt64(), n, out ulong low);
        if (low < n)
        {
            ulong threshold = (0 - n) % n;
            while (low < threshold) high = Math.BigMul(NextUInt64(), n, out low);
        }

        return (long)high;
    }

    /// <summary>A whole number below a bound, without bias.</summary>
    /// <param name="bound">The exclusive upper bound, at least 1.</param>
    /// <returns>A number from 0 to <paramref name="bound"/> - 1.</returns>
    public int NextInt32(int bound) => (int)NextInt64(bound);

    /// <summary>A number uniform in [0, 1), with 53 random bits.</summary>
    /// <returns>The number.</returns>
    public double NextDouble() => (NextUInt64() >> 11) * (1.0 / (1UL << 53));

    /// <summary>A standard normal number (polar method, Marsaglia and Bray 1964).</summary>
    /// <returns>The number.</returns>
    public double NextNormal()
    {
        if (!double.IsNaN(_spareNormal))
        {
            double spare = _spareNormal;
            _spareNormal = double.NaN;
            return spare;
        }

        while (true)
        {
            double u = 2 * NextDouble() - 1, v = 2 * NextDouble() - 1, s = u * u + v * v;
            if (s is 0 or >= 1) continue;
            double scale = Math.Sqrt(-2 * Math.Log(s) / s);
            _spareNormal = v * scale;
            return u * scale;
        }
    }

    /// <summary>A gamma number with unit scale (Marsaglia and Tsang 2000).</summary>
    /// <param name="shape">The shape, above 0.</param>
    /// <returns>The number; for tiny shapes it may underflow to 0.</returns>
    public double NextGamma(double shape)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(shape);
        if (shape < 1) return NextGamma(shape + 1) * Math.Pow(1 - NextDouble(), 1 / shape);
        double d = shape - 1.0 / 3, c = 1 / Math.Sqrt(9 * d);
        while (true)
        {
            double x = NextNormal(), v = 1 + c * x;
            if (v <= 0) continue;
            v = v * v * v;
            if (Math.Log(1 - NextDouble()) < 0.5 * x * x + d - d * v + d * Math.Log(v)) return d * v;
        }
    }

    /// <summary>Shuffles in place (Fisher and Yates); every order is equally likely.</summary>
    /// <typeparam name="T">The element type.</typeparam>
    /// <param name="values">What to shuffle.</param>
    public void Shuffle<T>(Span<T> values)
    {
        for (int i = values.Length - 1; i > 0; i--)
        {
            int j = NextInt32(i + 1);
            (values[i], values[j]) = (values[j], values[i]);
        }
    }
}
