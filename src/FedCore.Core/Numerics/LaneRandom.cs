using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FedCore.Numerics;

/// <summary>
/// Sixteen independent streams side by side, for random numbers by the million that must repeat and protect nothing: xoshiro128+ (Blackman and Vigna 2021), of whose
/// numbers the upper bits are used. The same stream gives the same numbers on every machine.
/// </summary>
/// <param name="stream">Where the first states come from.</param>
public struct LaneRandom(RandomStream stream)
{
    /// <summary>Number of streams.</summary>
    public const int Lanes = 16;

    private Vector512<uint> _s0 = Draw(stream), _s1 = Draw(stream), _s2 = Draw(stream), _s3 = Draw(stream);

    /// <summary>Sixteen numbers uniform in [0, 1), with 24 random bits.</summary>
    /// <returns>The numbers.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector512<float> NextSingles()
    {
        Vector512<uint> result = _s0 + _s3, t = _s1 << 9;
        _s2 ^= _s0;
        _s3 ^= _s1;
        _s1 ^= _s2;
        _s0 ^= _s3;
        _s2 ^= t;
        _s3 = (_s3 << 11) | (_s3 >> 21);
        return Vector512.ConvertToSingle((result >> 8).AsInt32()) * Vector512.Create(1f / (1 << 24));
    }

    // Lanes of nothing but zeros would stay so: not one of 2^96 draws has a lane like that.
    private static Vector512<uint> Draw(RandomStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Vector512<ulong> bits = default;
        for (int i = 0; i < Vector512<ulong>.Count; i++) bits = bits.WithElement(i, stream.NextUInt64());
        return bits.AsUInt32();
    }
}
