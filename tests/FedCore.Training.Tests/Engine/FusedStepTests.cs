using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;

namespace FedCore.Training.Tests.Engine;

/// <summary>
/// A fused step and a gradient with a step behind it do the same. The fused one multiplies the loss's gradient by the rate, the other that of the parameters;
/// with a power of two as rate both round alike, and both move a parameter in one rounding.
/// </summary>
public class FusedStepTests
{
    private const float Rate = 0.125f;

    private static readonly Dictionary<string, ModelSpec> Models = new()
    {
        ["linear"] = Plans.Softmax(33, 7),
        ["linear layers"] = new ModelSpec
        {
            Input = [19],
            Layers = [new LinearSpec { Outputs = 40 }, new ReluSpec(), new LinearSpec { Outputs = 21, Bias = false }, new TanhSpec(), new LinearSpec { Outputs = 3 }],
            Loss = new MeanSquaredErrorSpec(),
        },
        ["weights in blocks"] = new ModelSpec
        {
            Input = [5],
            Layers = [new LinearSpec { Outputs = 400 }, new ReluSpec(), new LinearSpec { Outputs = 450 }, new LinearSpec { Outputs = 3 }],
            Loss = new MeanSquaredErrorSpec(),
        },
        ["every layer"] = Plans.EveryLayer,
        ["every layer of sequences"] = Plans.EverySequenceLayer,
    };

    public static TheoryData<string> Names => [.. Models.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Twenty_fused_steps_equal_twenty_gradients_and_steps(string model)
    {
        using RandomClient fused = new(Plans.Of(Models[model])), apart = new(Plans.Of(Models[model]));
        for (int step = 0; step < 20; step++)
        {
            fused.Model.TrainStep(Rate);
            apart.Model.ComputeGradients();
            apart.Model.Step(Rate);
        }

        Assert.Equal(apart.Model.Parameters.AsSpan().ToArray(), fused.Model.Parameters.AsSpan().ToArray());
    }

    [Theory]
    [InlineData("every layer")]
    [InlineData("every layer of sequences")]
    public void Steps_change_every_parameter_tensor(string model)
    {
        using RandomClient before = new(Plans.Of(Models[model])), after = new(Plans.Of(Models[model]));
        for (int step = 0; step < 3; step++) after.Model.TrainStep(0.1f);
        foreach (TensorSchema tensor in Plans.Of(Models[model]).Model.Schema.Tensors)
        {
            Assert.NotEqual(
                before.Model.Parameters.Slice(tensor.Offset, (int)tensor.Length).ToArray(), after.Model.Parameters.Slice(tensor.Offset, (int)tensor.Length).ToArray());
        }
    }
}
