using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Training.Engine;

namespace FedCore.Training.Tests.Engine;

public class NetworkTests
{
    // 3 rows more than the batch are held: 2^31 / 5 of them are too many with 5 features, whatever memory there is.
    [Fact]
    public void A_batch_with_more_values_than_an_index_can_count_is_refused()
    {
        RunPlan plan = Plans.Of(Plans.Softmax(5, 3));
        using FlatVector parameters = new(plan.Model.Schema.TrainableCount), gradients = new(plan.Model.Schema.TrainableCount);
        var fault = Assert.Throws<FedCoreException>(() => new Network(plan.Model, EngineRegistry.CreateDefault(), int.MaxValue / 5, parameters, gradients));
        Assert.Equal("engine.batch", fault.Code);
        Assert.Contains("training.batchSize", fault.Message, StringComparison.Ordinal);
    }

    private static readonly Dictionary<string, LayerSpec> Layers = new()
    {
        ["conv2d"] = new Conv2dSpec { Channels = 2, Kernel = 3, Padding = 1, Name = "middle" },
        ["maxPool2d"] = new MaxPool2dSpec { Size = 2, Stride = 1 },
        ["averagePool2d"] = new AveragePool2dSpec { Size = 2 },
        ["relu"] = new ReluSpec(),
        ["tanh"] = new TanhSpec(),
        ["sigmoid"] = new SigmoidSpec(),
        ["dropout"] = new DropoutSpec { Rate = 0.5 },
        ["gelu"] = new GeluSpec(),
        ["residual"] = new ResidualSpec { Layers = [new ReluSpec(), new DropoutSpec { Rate = 0.5 }] },
    };

    public static TheoryData<string, string> Pairs
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (string first in Layers.Keys)
                foreach (string second in Layers.Keys)
                    if (first != second || first != "conv2d") data.Add(first, second);
            return data;
        }
    }

    // Layers in place share memory; what a layer needs for its gradient must outlive the layers behind it.
    [Theory]
    [MemberData(nameof(Pairs))]
    public void Any_two_layers_in_a_row_have_the_gradients_of_layers_with_memory_of_their_own(string first, string second) =>
        AssertGradientsOfSeparateLayers(Layers[first], Layers[second], new FlattenSpec());

    [Theory]
    [InlineData("maxPool2d")]
    [InlineData("tanh")]
    public void So_have_layers_with_a_flatten_between_them(string first) => AssertGradientsOfSeparateLayers(Layers[first], new FlattenSpec(), Layers["dropout"]);

    private static void AssertGradientsOfSeparateLayers(params LayerSpec[] middle)
    {
        const int batch = 3;
        var spec = new ModelSpec
        {
            Input = [6, 5, 2],
            Layers = [new ReluSpec(), new Conv2dSpec { Channels = 3, Kernel = 2 }, .. middle, new LinearSpec { Outputs = 4 }],
            Loss = new SoftmaxCrossEntropySpec(),
        };
        ModelPlan plan = spec.Plan(Registry.CreateDefault());
        var engine = EngineRegistry.CreateDefault();
        using ModelState model = ModelState.Initialize(plan, Draw.Stream("model"));
        using var gradients = new FlatVector(model.Trainable.Length);
        using var network = new Network(plan, engine, batch, model.Trainable, gradients);
        float[] inputs = Draw.Uniform(Draw.Stream("x"), batch * network.InputLength), labels = [0, 3, 1];
        inputs.CopyTo(network.Inputs.AsSpan());
        labels.CopyTo(network.Labels, 0);
        RandomStream random = Draw.Stream("dropout");
        network.Forward(batch, training: true, random);
        network.Backward(batch, random, 0, new double[2]);
        Assert.Equal(SeparateLayers.Gradient(plan, engine, model.Trainable, inputs, labels, batch, Draw.Stream("dropout")), gradients.AsSpan().ToArray());
    }
}
