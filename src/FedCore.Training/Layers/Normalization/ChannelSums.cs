using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FedCore.Training.Layers.Normalization;

/// <summary>
/// Sums over rows of channels, one for each channel: a chain in the order of the rows, vectorised across channels, so that the bits are the same for any vector
/// width.
/// </summary>
internal static class ChannelSums
{
    /// <summary>What is summed: a number for each channel of a row.</summary>
    public interface ITerm
    {
        /// <summary>The terms of sixteen neighbouring channels.</summary>
        Vector512<float> At(int channel, Vector512<float> x, Vector512<float> y);

        /// <summary>The term of one channel, in the same arithmetic.</summary>
        float At(int channel, float x, float y);
    }

    /// <summary><c>sums[c] = Σ term(c, x[r, c], y[r, c])</c> over the rows.</summary>
    public static void Run<TTerm>(ReadOnlySpan<float> x, ReadOnlySpan<float> y, int rows, int channels, TTerm term, Span<float> sums)
        where TTerm : struct, ITerm, allows ref struct
    {
        ref float xs = ref MemoryMarshal.GetReference(x), ys = ref MemoryMarshal.GetReference(y), target = ref MemoryMarshal.GetReference(sums[..channels]);
        int lanes = Vector512<float>.Count, channel = 0;
        for (; channel + lanes <= channels; channel += lanes)
        {
            Vector512<float> sum = default;
            for (int row = 0; row < rows; row++)
            {
                nuint place = (nuint)((nint)row * channels + channel);
                sum += term.At(channel, Vector512.LoadUnsafe(ref xs, place), Vector512.LoadUnsafe(ref ys, place));
            }

            sum.StoreUnsafe(ref target, (nuint)channel);
        }

        for (; channel < channels; channel++)
        {
            float sum = 0;
            for (int row = 0; row < rows; row++) sum += term.At(channel, x[row * channels + channel], y[row * channels + channel]);
            sums[channel] = sum;
        }
    }
}

/// <summary>x itself.</summary>
internal readonly struct PlainTerm : ChannelSums.ITerm
{
    public Vector512<float> At(int channel, Vector512<float> x, Vector512<float> y) => x;

    public float At(int channel, float x, float y) => x;
}

/// <summary>(x - mean)².</summary>
internal readonly ref struct SquareTerm(ReadOnlySpan<float> means) : ChannelSums.ITerm
{
    private readonly ReadOnlySpan<float> _means = means;

    public Vector512<float> At(int channel, Vector512<float> x, Vector512<float> y)
    {
        Vector512<float> difference = x - Vector512.LoadUnsafe(ref MemoryMarshal.GetReference(_means), (nuint)channel);
        return difference * difference;
    }

    public float At(int channel, float x, float y) => (x - _means[channel]) * (x - _means[channel]);
}

/// <summary>y (x - mean) / deviation: an output gradient times the normalised value.</summary>
internal readonly ref struct GradientTerm(ReadOnlySpan<float> means, ReadOnlySpan<float> factors) : ChannelSums.ITerm
{
    private readonly ReadOnlySpan<float> _means = means, _factors = factors;

    public Vector512<float> At(int channel, Vector512<float> x, Vector512<float> y) => y
        * ((x - Vector512.LoadUnsafe(ref MemoryMarshal.GetReference(_means), (nuint)channel))
            * Vector512.LoadUnsafe(ref MemoryMarshal.GetReference(_factors), (nuint)channel));

    public float At(int channel, float x, float y) => y * ((x - _means[channel]) * _factors[channel]);
}
