using FedCore.Models;
using FedCore.Numerics;
using FedCore.Training.Engine;
using FedCore.Training.Layers;

namespace FedCore.Training.Tests.Engine;

/// <summary>The chain rule by hand: each layer with copies of its own input and output, so that no layer can spoil what another one needs.</summary>
internal static class SeparateLayers
{
    // A kernel may write three rows beyond a batch, and read one vector beyond the end of what it is given.
    private const int ExtraRows = 3;
    private const int Readable = 16;

    /// <summary>The gradient of the batch's mean loss.</summary>
    public static float[] Gradient(ModelPlan plan, EngineRegistry engine, FlatVector parameters, float[] inputs, float[] labels, int batch, RandomStream random)
    {
        float[] gradients = new float[parameters.Length + Readable];
        var layers = new List<(Layer Layer, float[] Input, float[] Output, int Offset, int Length)>();
        float[] values = Room(inputs.Length / batch, batch);
        inputs.CopyTo(values, 0);
        int offset = 0;
        foreach (PlannedLayer planned in plan.Layers)
        {
            var site = new LayerSite(planned.Input, planned.Plan.Output, batch, NeedsInputGradient: true);
            Layer layer = engine.Create(planned.Spec, site);
            int length = (int)planned.Plan.Tensors.Sum(tensor => tensor.Shape.ElementCount);
            float[] input = [.. values], output = layer.IsInPlace ? values : Room(site.Size, batch);
            layer.Forward(Pass(offset, length), layer.IsInPlace ? output : input, output);
            layers.Add((layer, input, [.. output], offset, length));
            offset += length;
            values = [.. output];
        }

        float[] gradient = Room((int)plan.Output.ElementCount, batch);
        engine.Create(plan.Spec.Loss, plan).Evaluate(values, labels, batch, gradient, new double[2]);
        for (int i = layers.Count - 1; i >= 0; i--)
        {
            (Layer layer, float[] input, float[] output, int begin, int length) = layers[i];
            float[] before = layer.IsInPlace ? gradient : new float[input.Length];
            layer.Backward(Pass(begin, length), layer.IsInPlace ? output : input, output, gradient, before);
            gradient = before;
            layer.Dispose();
        }

        return gradients[..(int)parameters.Length];

        LayerPass Pass(int begin, int length) => new(batch, true, parameters.Slice(begin, length), gradients.AsSpan(begin, length), isStep: false, random);
    }

    private static float[] Room(int size, int batch) => new float[(batch + ExtraRows) * size + Readable];
}
