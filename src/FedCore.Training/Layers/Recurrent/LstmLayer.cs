using System.Numerics.Tensors;
using FedCore.Models.Layers;
using FedCore.Numerics;
using FedCore.Training.Engine;
using FedCore.Training.Tensors;

namespace FedCore.Training.Layers.Recurrent;

/// <summary>
/// A long short-term memory. Token by token goes only what must: the product of the outputs before with the recurrent kernel. That of all inputs with the
/// kernel is one product before it, and the gradients of both kernels are one product each behind it; so its own memory is token-major, [tokens, batch, ...].
/// </summary>
internal sealed unsafe class LstmLayer : Layer
{
    private readonly int _tokens, _width, _units, _columns;
    private readonly bool _returnsSequences;
    private readonly FlatVector _inputs, _gates, _cells, _tanhs, _outputs, _outputGradient, _cellGradient, _turned;
    private readonly FlatVector? _inputGradient;

    // For the norms of single examples' gradients, once somebody asks for them: the gates, which the way back overwrites.
    private FlatVector? _keptGates;

    public LstmLayer(LstmSpec spec, LayerSite site)
    {
        (_tokens, _width, _units, _columns, _returnsSequences) = (site.Input[0], site.Input[1], spec.Units, 4 * spec.Units, spec.ReturnSequences);
        int rows = checked(_tokens * site.Capacity);
        (_inputs, _gates, _cells) = (New(rows, _width), New(rows, _columns), New(rows, _units));
        (_tanhs, _outputs) = (New(rows, _units), New(rows, _units));
        (_outputGradient, _cellGradient) = (New(site.Capacity, _units), New(site.Capacity, _units));
        _turned = New(_columns, _units);
        if (site.NeedsInputGradient) _inputGradient = New(rows, _width);
        static FlatVector New(int rows, int columns) => new(((long)rows + Transpose.ExtraRows) * columns);
    }

    public override bool NeedsOutput => false;

    private nint RecurrentOffset => (nint)_width * _columns;

    private nint BiasOffset => RecurrentOffset + (nint)_units * _columns;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        int batch = pass.Batch;
        fixed (float* x = input, y = output, w = pass.Parameters)
        {
            CopyTokens(x, batch, _width, _inputs.Pointer, toTokens: true);
            MatrixKernels.Forward(_inputs.Pointer, _tokens * batch, _width, w, _columns, w + BiasOffset, _gates.Pointer);
            for (int token = 0; token < _tokens; token++)
            {
                float* gates = At(_gates, token, 0, batch, _columns);
                if (token > 0) Multiply(At(_outputs, token - 1, 0, batch, _units), _columns, w + RecurrentOffset, batch, _units, gates, adds: true);
                for (int example = 0; example < batch; example++)
                {
                    LstmCell.Forward(
                        At(_gates, token, example, batch, _columns), _units, Before(token, example, batch),
                        At(_cells, token, example, batch, _units), At(_tanhs, token, example, batch, _units), At(_outputs, token, example, batch, _units));
                }
            }

            if (_returnsSequences) CopyTokens(_outputs.Pointer, batch, _units, y, toTokens: false);
            else Copy(At(_outputs, _tokens - 1, 0, batch, _units), y, (nint)batch * _units);
        }
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        int batch = pass.Batch, rows = _tokens * batch;
        fixed (float* dy = outputGradient, dx = inputGradient, w = pass.Parameters, dw = pass.Gradients)
        {
            BackThroughTime(w, batch, dy);
            float* target = pass.IsStep ? w : dw, gradients = _gates.Pointer;
            float* recurrent = target + RecurrentOffset;
            if (_tokens == 1 && !pass.IsStep) new Span<float>(recurrent, _units * _columns).Clear();
            if (pass.KeepsExamplesApart)
            {
                InputGradient(w, batch, dx);
                for (int example = 0; example < batch; example++) AddExample(example, batch, target);
                return false;
            }

            float* own = dx is null ? null : _inputGradient!.Pointer;
            DenseProducts.Backward(_inputs.Pointer, rows, _width, w, _columns, gradients, own, target, target + BiasOffset, pass.IsStep);
            if (dx is not null) CopyTokens(own, batch, _width, dx, toTokens: false);

            // The outputs of a token meet the gates of the next.
            float* next = gradients + (nint)batch * _columns;
            if (_tokens > 1) MatrixKernels.WeightGradient(_outputs.Pointer, _units, rows - batch, _units, next, _columns, recurrent, pass.IsStep);
        }

        return pass.IsStep;
    }

    public override void BackwardNorms(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient, Span<double> squaredNorms)
    {
        int batch = pass.Batch;
        fixed (float* dy = outputGradient, dx = inputGradient, w = pass.Parameters)
        {
            _keptGates ??= new FlatVector(_gates.Length);
            _keptGates.CopyFrom(_gates, _tokens * (long)batch * _columns);
            BackThroughTime(w, batch, dy);
            nint pitch = (nint)batch * _columns;
            for (int example = 0; example < batch; example++)
            {
                float* gradients = At(_gates, 0, example, batch, _columns), x = At(_inputs, 0, example, batch, _width), h = At(_outputs, 0, example, batch, _units);
                double norm = GhostNorms.OfProduct(x, (nint)batch * _width, gradients, pitch, _tokens, _width, _columns) + GhostNorms.OfSum(gradients, pitch, _tokens, _columns);
                if (_tokens > 1) norm += GhostNorms.OfProduct(h, (nint)batch * _units, gradients + pitch, pitch, _tokens - 1, _units, _columns);
                squaredNorms[example] += norm;
            }

            InputGradient(w, batch, dx);
            _gates.CopyFrom(_keptGates, _tokens * (long)batch * _columns);
        }
    }

    protected override void Dispose(bool disposing)
    {
        foreach (FlatVector vector in (FlatVector[])[_inputs, _gates, _cells, _tanhs, _outputs, _outputGradient, _cellGradient, _turned]) vector.Dispose();
        _inputGradient?.Dispose();
        _keptGates?.Dispose();
        base.Dispose(disposing);
    }

    // From the last token to the first: the gradients of the gates' sums take the gates' place.
    private void BackThroughTime(float* w, int batch, float* dy)
    {
        float* dh = _outputGradient.Pointer, dc = _cellGradient.Pointer;
        int size = batch * _units;
        new Span<float>(dc, size).Clear();
        new Span<float>(dh, size).Clear();
        Transpose.Run(w + RecurrentOffset, _columns, _units, _columns, _turned.Pointer, _units, _units);
        for (int token = _tokens - 1; token >= 0; token--)
        {
            if (token < _tokens - 1) Multiply(At(_gates, token + 1, 0, batch, _columns), _units, _turned.Pointer, batch, _columns, dh, adds: false);
            for (int example = 0; example < batch; example++)
            {
                Span<float> gradient = new(dh + (nint)example * _units, _units);
                if (_returnsSequences) TensorPrimitives.Add(gradient, new ReadOnlySpan<float>(dy + ((nint)example * _tokens + token) * _units, _units), gradient);
                else if (token == _tokens - 1) new ReadOnlySpan<float>(dy + (nint)example * _units, _units).CopyTo(gradient);
                LstmCell.Backward(
                    At(_gates, token, example, batch, _columns), _units, Before(token, example, batch), At(_tanhs, token, example, batch, _units),
                    dh + (nint)example * _units, dc + (nint)example * _units);
            }
        }
    }

    private void InputGradient(float* w, int batch, float* dx)
    {
        if (dx is null) return;
        DenseProducts.InputGradient(w, _width, _columns, _gates.Pointer, _tokens * batch, _inputGradient!.Pointer);
        CopyTokens(_inputGradient.Pointer, batch, _width, dx, toTokens: false);
    }

    // The gradients of one example, formed by themselves; those of the first take the place of what stood there.
    private void AddExample(int example, int batch, float* target)
    {
        float* own = (_keptGates ??= new FlatVector(_gates.Length)).Pointer;
        for (int token = 0; token < _tokens; token++) Copy(At(_gates, token, example, batch, _columns), own + (nint)token * _columns, _columns);
        bool adds = example > 0;
        DenseProducts.Gradients(At(_inputs, 0, example, batch, _width), batch * _width, _tokens, _width, own, _columns, target, target + BiasOffset, adds);
        if (_tokens > 1) MatrixKernels.WeightGradient(At(_outputs, 0, example, batch, _units), batch * _units, _tokens - 1, _units, own + _columns, _columns, target + RecurrentOffset, adds);
    }

    // target[batch, columns] = a[batch, depth] b[depth, columns], or += it.
    private static void Multiply(float* a, int columns, float* b, int batch, int depth, float* target, bool adds) => TileGrid.Run(
        new TileWork
        {
            A = a,
            ARow = depth,
            AStep = 1,
            B = b,
            BStep = columns,
            C = target,
            CRow = columns,
            Depth = depth,
            Segments = 1,
            Mode = adds ? TileMode.FromC : TileMode.FromZero,
        },
        batch, columns);

    private float* Before(int token, int example, int batch) => token == 0 ? null : At(_cells, token - 1, example, batch, _units);

    private static float* At(FlatVector memory, int token, int example, int batch, int size) => memory.Pointer + ((nint)token * batch + example) * size;

    // Between [batch, tokens, size] and [tokens, batch, size].
    private void CopyTokens(float* source, int batch, int size, float* target, bool toTokens)
    {
        for (int example = 0; example < batch; example++)
        {
            for (int token = 0; token < _tokens; token++)
            {
                nint byExample = ((nint)example * _tokens + token) * size, byToken = ((nint)token * batch + example) * size;
                Copy(source + (toTokens ? byExample : byToken), target + (toTokens ? byToken : byExample), size);
            }
        }
    }

    private static void Copy(float* source, float* target, nint count) => Buffer.MemoryCopy(source, target, count * sizeof(float), count * sizeof(float));
}
