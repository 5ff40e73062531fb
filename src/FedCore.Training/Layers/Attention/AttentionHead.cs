using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using FedCore.Training.Tensors;

namespace FedCore.Training.Layers.Attention;

/// <summary>
/// One head of attention for one example: softmax(q kᵀ scale) v, and back. Where tokens see only those before them, the other half is left out band by band.
/// </summary>
internal sealed unsafe class AttentionHead(int tokens, int depth, int pitch, int outputPitch, bool causal)
{
    private readonly float _scale = (float)(1 / Math.Sqrt(depth));

    // Rows of scores that are worked on at once: whole tiles, and few enough to leave most of the other half out.
    private static int Band => 2 * TileGrid.TileRows;

    private int Room => (tokens + 15) / 16 * 16;

    /// <summary>Computes weights and outputs.</summary>
    /// <param name="q">[tokens, depth], in rows of the pitch; keys and values likewise.</param>
    /// <param name="k">The keys.</param>
    /// <param name="v">The values.</param>
    /// <param name="weights">Receives the softmax, [tokens, tokens]; what a token must not see is left as it is.</param>
    /// <param name="output">Receives [tokens, depth], in rows of the output's pitch.</param>
    public void Forward(float* q, float* k, float* v, float* weights, float* output)
    {
        float* turned = Turn(k, pitch);
        for (int row = 0; row < tokens; row += Band)
        {
            int rows = Math.Min(Band, tokens - row), seen = Seen(row + rows);
            float* scores = weights + (nint)row * tokens;
            Multiply(q + (nint)row * pitch, pitch, 1, turned, Room, scores, tokens, rows, seen, depth);
            for (int i = 0; i < rows; i++) Softmax(new Span<float>(scores + (nint)i * tokens, seen), Seen(row + i + 1));
            Multiply(scores, tokens, 1, v, pitch, output + (nint)row * outputPitch, outputPitch, rows, depth, seen);
        }
    }

    /// <summary>Computes the gradients of queries, keys and values.</summary>
    /// <param name="q">The queries.</param>
    /// <param name="k">The keys.</param>
    /// <param name="v">The values.</param>
    /// <param name="weights">The softmax; it is overwritten.</param>
    /// <param name="dOutput">The gradient of the outputs, in rows of the output's pitch.</param>
    /// <param name="dq">Receives the gradient of the queries, in rows of the pitch; those of keys and values likewise.</param>
    /// <param name="dk">Of the keys.</param>
    /// <param name="dv">Of the values.</param>
    public void Backward(float* q, float* k, float* v, float* weights, float* dOutput, float* dq, float* dk, float* dv)
    {
        for (int row = 0; row < tokens; row += Band)
        {
            // What sees these keys: all, or those from the first of them on.
            int rows = Math.Min(Band, tokens - row), first = causal ? row : 0;
            float* seeing = dOutput + (nint)first * outputPitch;
            Multiply(weights + (nint)first * tokens + row, 1, tokens, seeing, outputPitch, dv + (nint)row * pitch, pitch, rows, depth, tokens - first);
        }

        float* turned = Turn(v, pitch), gradients = turned + (nint)(depth + Transpose.ExtraRows) * Room;
        for (int row = 0; row < tokens; row += Band)
        {
            int rows = Math.Min(Band, tokens - row), seen = Seen(row + rows);
            float* band = weights + (nint)row * tokens;
            Multiply(dOutput + (nint)row * outputPitch, outputPitch, 1, turned, Room, gradients, Room, rows, seen, depth);
            for (int i = 0; i < rows; i++)
            {
                int own = Seen(row + i + 1);
                Differentiate(new Span<float>(band + (nint)i * tokens, own), new ReadOnlySpan<float>(gradients + (nint)i * Room, own));
            }

            Multiply(band, tokens, 1, k, pitch, dq + (nint)row * pitch, pitch, rows, depth, seen);
        }

        for (int row = 0; row < tokens; row += Band)
        {
            int rows = Math.Min(Band, tokens - row), first = causal ? row : 0;
            Multiply(weights + (nint)first * tokens + row, 1, tokens, q + (nint)first * pitch, pitch, dk + (nint)row * pitch, pitch, rows, depth, tokens - first);
        }
    }

    // How many tokens the one before this place sees.
    private int Seen(int end) => causal ? end : tokens;

    // [depth, tokens], with room for a band of scores behind.
    private float* Turn(float* source, int sourcePitch)
    {
        float* target = Scratch.Panel((long)(depth + Transpose.ExtraRows + Band) * Room);
        Transpose.Run(source, sourcePitch, tokens, depth, target, Room, tokens);
        return target;
    }

    // exp((x - largest) scale) / Σ over what is seen, and zeros behind, up to the end of the band.
    private void Softmax(Span<float> row, int seen)
    {
        row[seen..].Clear();
        Span<float> scores = row[..seen];
        float largest = TensorPrimitives.Max(scores);
        ref float values = ref MemoryMarshal.GetReference(scores);
        Vector512<float> shift = Vector512.Create(largest), scale = Vector512.Create(_scale);
        int lanes = Vector512<float>.Count, i = 0;
        for (; i + lanes <= seen; i += lanes) Vector512.Exp((Vector512.LoadUnsafe(ref values, (nuint)i) - shift) * scale).StoreUnsafe(ref values, (nuint)i);
        if (i < seen)
        {
            Span<float> rest = stackalloc float[lanes];
            scores[i..].CopyTo(rest);
            Vector512.Exp((Vector512.Create<float>(rest) - shift) * scale).CopyTo(rest);
            rest[..(seen - i)].CopyTo(scores[i..]);
        }

        TensorPrimitives.Multiply(scores, 1 / RowSums.Plain(scores), scores);
    }

    // The scores' gradient w (dw - Σ w dw) scale, in place of the weights; zeros behind stay.
    private void Differentiate(Span<float> weights, ReadOnlySpan<float> gradient)
    {
        float mean = RowSums.Products(weights, gradient);
        ref float ws = ref MemoryMarshal.GetReference(weights), dws = ref MemoryMarshal.GetReference(gradient);
        int lanes = Vector512<float>.Count, i = 0;
        for (; i + lanes <= weights.Length; i += lanes)
        {
            Vector512<float> difference = Vector512.LoadUnsafe(ref dws, (nuint)i) - Vector512.Create(mean);
            (Vector512.LoadUnsafe(ref ws, (nuint)i) * _scale * difference).StoreUnsafe(ref ws, (nuint)i);
        }

        for (; i < weights.Length; i++) weights[i] = weights[i] * _scale * (gradient[i] - mean);
    }

    private static void Multiply(float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, int rows, int columns, int depth) =>
        TileGrid.Run(new TileWork { A = a, ARow = aRow, AStep = aStep, B = b, BStep = bStep, C = c, CRow = cRow, Depth = depth, Segments = 1 }, rows, columns);
}
