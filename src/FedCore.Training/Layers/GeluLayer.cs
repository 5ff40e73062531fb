using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FedCore.Training.Layers;

/// <summary>x Φ(x), Φ being the normal distribution's; its derivative is Φ(x) + x φ(x). It needs x for that, so it is not in place.</summary>
internal sealed class GeluLayer(int size) : Layer
{
    // Numerical Recipes (Press et al. 2007), erfcc of section 6.2: erfc(z) = t exp(-z² + Σ c_i t^i) with t = 1 / (1 + z / 2), off by less than 1.2e-7 of itself for
    // all z >= 0, so that small probabilities have right digits too.
    private static readonly float[] Coefficients =
    [
        -1.26551223f, 1.00002368f, 0.37409196f, 0.09678418f, -0.18628806f, 0.27886807f, -1.13520398f, 1.48851587f, -0.82215223f, 0.17087277f,
    ];

    private static readonly float InverseRoot2 = (float)(1 / Math.Sqrt(2)), InverseRoot2Pi = (float)(1 / Math.Sqrt(2 * Math.PI));

    private interface IFunction
    {
        static abstract Vector512<float> Of(Vector512<float> x, Vector512<float> dy);
    }

    public override bool NeedsOutput => false;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        int count = pass.Batch * size;
        Map<Value>(input[..count], input[..count], output[..count]);
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        int count = pass.Batch * size;
        if (!inputGradient.IsEmpty) Map<Derivative>(input[..count], outputGradient[..count], inputGradient[..count]);
        return false;
    }

    private static void Map<TFunction>(ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> target)
        where TFunction : struct, IFunction
    {
        ref float xs = ref MemoryMarshal.GetReference(x), dys = ref MemoryMarshal.GetReference(dy), targets = ref MemoryMarshal.GetReference(target);
        int lanes = Vector512<float>.Count, i = 0;
        for (; i + lanes <= target.Length; i += lanes)
            TFunction.Of(Vector512.LoadUnsafe(ref xs, (nuint)i), Vector512.LoadUnsafe(ref dys, (nuint)i)).StoreUnsafe(ref targets, (nuint)i);
        if (i == target.Length) return;
        Span<float> rest = stackalloc float[2 * lanes];
        x[i..].CopyTo(rest);
        dy[i..].CopyTo(rest[lanes..]);
        TFunction.Of(Vector512.Create<float>(rest), Vector512.Create<float>(rest[lanes..])).CopyTo(rest);
        rest[..(target.Length - i)].CopyTo(target[i..]);
    }

    private static Vector512<float> Probability(Vector512<float> x)
    {
        Vector512<float> z = Vector512.Abs(x) * InverseRoot2, t = Vector512<float>.One / (Vector512<float>.One + z * 0.5f), sum = Vector512.Create(Coefficients[^1]);
        for (int i = Coefficients.Length - 2; i >= 0; i--) sum = sum * t + Vector512.Create(Coefficients[i]);
        Vector512<float> below = t * Vector512.Exp(sum - z * z) * 0.5f;
        return Vector512.ConditionalSelect(Vector512.GreaterThan(x, Vector512<float>.Zero), Vector512<float>.One - below, below);
    }

    private readonly struct Value : IFunction
    {
        public static Vector512<float> Of(Vector512<float> x, Vector512<float> dy) => x * Probability(x);
    }

    private readonly struct Derivative : IFunction
    {
        public static Vector512<float> Of(Vector512<float> x, Vector512<float> dy) =>
            dy * (Probability(x) + x * (Vector512.Exp(x * x * -0.5f) * InverseRoot2Pi));
    }
}
