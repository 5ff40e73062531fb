using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Numerics;
using FedCore.Training.Engine;
using FedCore.Training.Layers;

namespace FedCore.Training.Tests.Layers;

/// <summary>One layer alone with its buffers, differentiated by itself and by differences of F = Σ c y with fixed coefficients c.</summary>
internal sealed class LayerProbe : IDisposable
{
    private const int ExtraRows = 3;

    private readonly Layer _layer;
    private readonly int _batch, _inputSize, _outputSize;
    private readonly FlatVector _input, _output, _outputGradient, _inputGradient, _parameters, _gradients, _buffers;

    public LayerProbe(LayerSpec spec, Shape input, int batch, LayerSpec? before = null, Func<RandomStream, int, float[]>? draw = null)
    {
        LayerPlan plan = spec.Plan(input);
        (_batch, _inputSize, _outputSize) = (batch, (int)input.ElementCount, (int)plan.Output.ElementCount);
        Output = plan.Output;
        ParameterCount = (int)plan.Tensors.Where(tensor => tensor.Role == TensorRole.Trainable).Sum(tensor => tensor.Shape.ElementCount);
        int capacity = batch + 1;
        var site = new LayerSite(input, plan.Output, capacity, NeedsInputGradient: true);
        var engine = EngineRegistry.CreateDefault();
        _layer = before is null ? engine.Create(spec, site) : engine.CreatePair(before, spec, site)!;
        _input = new FlatVector((capacity + ExtraRows) * _inputSize);
        _inputGradient = new FlatVector((capacity + ExtraRows) * _inputSize);
        _output = _layer.IsInPlace ? _input : new FlatVector((capacity + ExtraRows) * _outputSize);
        _outputGradient = _layer.IsInPlace ? _inputGradient : new FlatVector((capacity + ExtraRows) * _outputSize);
        _parameters = new FlatVector(ParameterCount);
        _gradients = new FlatVector(ParameterCount);
        _buffers = new FlatVector(plan.Tensors.Where(tensor => tensor.Role == TensorRole.Buffer).Sum(tensor => tensor.Shape.ElementCount));
        Coefficients = Draw.Eighths(Draw.Stream("coefficients"), batch * _outputSize);

        // A larger batch before, so that what it leaves in a layer's scratch memory would be seen.
        RandomStream random = Draw.Stream("before");
        (draw ?? Draw.Uniform)(random, capacity * _inputSize).CopyTo(_input.AsSpan());
        Run(capacity);
        _outputGradient.AsSpan().Fill(1);
        Differentiate(capacity);
    }

    public Shape Output { get; }

    /// <summary>c, which is also F's gradient with respect to y.</summary>
    public float[] Coefficients { get; }

    public int ParameterCount { get; }

    public int InputCount => _batch * _inputSize;

    public float[] Forward(float[] input, float[] parameters)
    {
        _input.AsSpan().Fill(float.NaN);
        input.CopyTo(_input.AsSpan());
        parameters.CopyTo(_parameters.AsSpan());
        Run(_batch);
        return _output.Slice(0, _batch * _outputSize).ToArray();
    }

    /// <summary>The layer's own gradients of F.</summary>
    public (float[] Input, float[] Parameters) Gradients(float[] input, float[] parameters)
    {
        Forward(input, parameters);
        _gradients.AsSpan().Fill(float.NaN);
        _inputGradient.AsSpan().Fill(float.NaN);
        Coefficients.CopyTo(_outputGradient.AsSpan());
        Assert.False(Differentiate(_batch));
        return (_inputGradient.Slice(0, InputCount).ToArray(), _gradients.AsSpan().ToArray());
    }

    /// <summary>
    /// Compares the gradients with central differences, element by element; with a tolerance of 0 they must be equal. A bias-free linear functional of
    /// values that are small multiples of powers of two is computed without rounding, and its central difference is its derivative.
    /// </summary>
    public void AssertDifferencesMatch(float[] input, float[] parameters, double step, double tolerance)
    {
        (float[] inputGradient, float[] parameterGradient) = Gradients(input, parameters);
        AssertMatch(input, inputGradient, "input", () => Objective(input, parameters), step, tolerance);
        AssertMatch(parameters, parameterGradient, "parameter", () => Objective(input, parameters), step, tolerance);
    }

    public void Dispose()
    {
        _layer.Dispose();
        foreach (FlatVector vector in (FlatVector[])[_input, _output, _outputGradient, _inputGradient, _parameters, _gradients, _buffers]) vector.Dispose();
    }

    private static void AssertMatch(float[] values, float[] gradient, string kind, Func<double> objective, double step, double tolerance)
    {
        for (int i = 0; i < values.Length; i++)
        {
            float value = values[i];
            values[i] = (float)(value + step);
            double above = objective();
            values[i] = (float)(value - step);
            double difference = (above - objective()) / (2 * step);
            values[i] = value;
            if (!(Math.Abs(difference - gradient[i]) <= tolerance)) Assert.Fail($"The gradient of {kind} {i} is {gradient[i]}, but differences say {difference}.");
        }
    }

    private double Objective(float[] input, float[] parameters)
    {
        double sum = 0;
        float[] output = Forward(input, parameters);
        for (int i = 0; i < output.Length; i++) sum += (double)Coefficients[i] * output[i];
        return sum;
    }

    private void Run(int batch) => _layer.Forward(Pass(batch), _input.Slice(0, (batch + ExtraRows) * _inputSize), _output.Slice(0, (batch + ExtraRows) * _outputSize));

    private bool Differentiate(int batch) => _layer.Backward(
        Pass(batch), _input.Slice(0, (batch + ExtraRows) * _inputSize), _output.Slice(0, (batch + ExtraRows) * _outputSize),
        _outputGradient.Slice(0, (batch + ExtraRows) * _outputSize), _inputGradient.Slice(0, (batch + ExtraRows) * _inputSize));

    // A new stream each time: dropout draws the same mask.
    private unsafe LayerPass Pass(int batch) => new(batch, training: true, _parameters.AsSpan(), _gradients.AsSpan(), isStep: false, Draw.Stream("dropout"), _buffers.AsSpan())
    {
        All = new AllTensors(_parameters.Pointer, _gradients.Pointer, _buffers.Pointer),
    };
}
