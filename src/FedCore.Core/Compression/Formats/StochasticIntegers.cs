using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Runtime.Intrinsics;
using FedCore.Naming;
using FedCore.Numerics;

namespace FedCore.Compression.Formats;

/// <summary>
/// Whole numbers of few bits beside a scale for each group of 256 values. A value between two whole numbers becomes one of them at random, the nearer one the likelier,
/// so that errors are zero on average and fade in the mean over clients (Alistarh et al. 2017, section 3.1, with the largest magnitude of a group in place of the norm).
/// </summary>
public abstract class StochasticIntegers : IValueFormat
{
    private const int Group = 256, Header = sizeof(float);

    // A group of smaller values counts as zeros: the factor that makes whole numbers of them would be infinite.
    private const float Smallest = 1e-30f;

    private readonly int _bits;

    private protected StochasticIntegers(int bits) => _bits = bits;

    // Whole numbers are -Levels to Levels.
    private int Levels => (1 << (_bits - 1)) - 1;

    /// <inheritdoc/>
    public int ByteLength(int count) => count / Group * GroupLength(Group) + (count % Group > 0 ? GroupLength(count % Group) : 0);

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<float> values, Span<byte> target, ref LaneRandom random)
    {
        Span<int> whole = stackalloc int[Group];
        for (; !values.IsEmpty; values = values[Math.Min(Group, values.Length)..])
        {
            ReadOnlySpan<float> group = values[..Math.Min(Group, values.Length)];
            float scale = MathF.Abs(TensorPrimitives.MaxMagnitude(group));
            if (scale < Smallest) scale = 0;
            BinaryPrimitives.WriteSingleLittleEndian(target, scale);
            Round(group, scale == 0 ? 0 : Levels / scale, whole, ref random);
            Pack(whole[..group.Length], target[Header..]);
            target = target[GroupLength(group.Length)..];
        }
    }

    /// <inheritdoc/>
    public void Decode(ReadOnlySpan<byte> source, Span<float> values)
    {
        Span<int> whole = stackalloc int[Group];
        for (; !values.IsEmpty; values = values[Math.Min(Group, values.Length)..])
        {
            Span<float> group = values[..Math.Min(Group, values.Length)];
            Unpack(source[Header..], whole[..group.Length]);
            TensorPrimitives.ConvertChecked<int, float>(whole[..group.Length], group);
            TensorPrimitives.Multiply(group, BinaryPrimitives.ReadSingleLittleEndian(source) / Levels, group);
            source = source[GroupLength(group.Length)..];
        }
    }

    /// <summary>Puts whole numbers into bytes.</summary>
    private protected abstract void Pack(ReadOnlySpan<int> whole, Span<byte> target);

    /// <summary>Takes whole numbers out of bytes.</summary>
    private protected abstract void Unpack(ReadOnlySpan<byte> source, Span<int> whole);

    private int GroupLength(int count) => Header + (count * _bits + 7) / 8;

    // floor(x + u) with u uniform in [0, 1): above x with the probability of its distance from the whole number below.
    private void Round(ReadOnlySpan<float> values, float factor, Span<int> whole, ref LaneRandom random)
    {
        Vector512<int> most = Vector512.Create(Levels);
        Span<float> padded = stackalloc float[Group];
        values.CopyTo(padded);
        for (int i = 0; i < values.Length; i += LaneRandom.Lanes)
        {
            Vector512<float> x = Vector512.Create<float>(padded[i..]) * Vector512.Create(factor);
            Vector512<int> rounded = Vector512.ConvertToInt32(Vector512.Floor(x + random.NextSingles()));
            Vector512.Max(-most, Vector512.Min(most, rounded)).CopyTo(whole[i..]);
        }
    }
}

/// <summary>Stochastic rounding to 8 bits: a quarter of the bytes.</summary>
[Paper("Alistarh et al. 2017, QSGD: Communication-Efficient SGD via Gradient Quantization and Encoding", "https://arxiv.org/abs/1610.02132")]
public sealed class Int8() : StochasticIntegers(8)
{
    private protected override void Pack(ReadOnlySpan<int> whole, Span<byte> target)
    {
        for (int i = 0; i < whole.Length; i++) target[i] = (byte)whole[i];
    }

    private protected override void Unpack(ReadOnlySpan<byte> source, Span<int> whole)
    {
        for (int i = 0; i < whole.Length; i++) whole[i] = (sbyte)source[i];
    }
}

/// <summary>Stochastic rounding to 4 bits: an eighth of the bytes, and a 64th for the scales.</summary>
[Paper("Alistarh et al. 2017, QSGD: Communication-Efficient SGD via Gradient Quantization and Encoding", "https://arxiv.org/abs/1610.02132")]
public sealed class Int4() : StochasticIntegers(4)
{
    // The first half of a group lies in the lower halves of the bytes, the second in the upper ones.
    private protected override void Pack(ReadOnlySpan<int> whole, Span<byte> target)
    {
        int half = (whole.Length + 1) / 2;
        for (int i = 0; i < half; i++) target[i] = (byte)((whole[i] & 15) | (half + i < whole.Length ? whole[half + i] << 4 : 0));
    }

    private protected override void Unpack(ReadOnlySpan<byte> source, Span<int> whole)
    {
        int half = (whole.Length + 1) / 2;
        for (int i = 0; i < half; i++) whole[i] = (sbyte)(source[i] << 4) >> 4;
        for (int i = half; i < whole.Length; i++) whole[i] = (sbyte)source[i - half] >> 4;
    }
}
