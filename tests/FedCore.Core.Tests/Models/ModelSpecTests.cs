using System.Text.Json;
using FedCore.Json;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;

namespace FedCore.Core.Tests.Models;

public class ModelSpecTests
{
    private static readonly Registry Names = Registry.CreateDefault();

    // Extents by hand: floor((extent + 2 padding - window) / stride) + 1.
    public static TheoryData<int[], LayerSpec, int[]> Chains => new()
    {
        { [7], new LinearSpec { Outputs = 3 }, [3] },
        { [7], new ReluSpec(), [7] },
        { [4, 5, 2], new TanhSpec(), [4, 5, 2] },
        { [4, 5], new LinearSpec { Outputs = 3 }, [4, 3] },
        { [7], new SigmoidSpec(), [7] },
        { [4, 5], new GeluSpec(), [4, 5] },
        { [4, 5], new LstmSpec { Units = 3 }, [3] },
        { [4, 5], new LstmSpec { Units = 3, ReturnSequences = true }, [4, 3] },
        { [4, 6], new AttentionSpec { Heads = 3 }, [4, 6] },
        { [4, 5], new ResidualSpec { Layers = [new LinearSpec { Outputs = 5 }] }, [4, 5] },
        { [5, 4, 2], new ResidualSpec { Layers = [new MaxPool2dSpec { Size = 2 }], Shortcut = [new Conv2dSpec { Channels = 2, Kernel = 2, Stride = 2 }] }, [2, 2, 2] },
        { [7], new DropoutSpec(), [7] },
        { [4, 5, 2], new FlattenSpec(), [40] },
        { [7], new FlattenSpec(), [7] },
        { [28, 28, 1], new Conv2dSpec { Channels = 32, Kernel = 5 }, [24, 24, 32] },
        { [28, 28, 1], new Conv2dSpec { Channels = 32, Kernel = 5, Padding = 2 }, [28, 28, 32] },
        { [8, 5, 3], new Conv2dSpec { Channels = 4, Kernel = 3, Stride = 2 }, [3, 2, 4] },
        { [24, 24, 32], new MaxPool2dSpec { Size = 2 }, [12, 12, 32] },
        { [7, 5, 1], new MaxPool2dSpec { Size = 3, Stride = 1 }, [5, 3, 1] },
        { [7, 5, 1], new AveragePool2dSpec { Size = 2 }, [3, 2, 1] },
    };

    public static TheoryData<int[], LayerSpec, string> Breaks => new()
    {
        { [4, 5, 2], new LinearSpec { Outputs = 3 }, "linear" },
        { [4], new LstmSpec { Units = 3 }, "lstm" },
        { [4, 5, 2], new AttentionSpec { Heads = 1 }, "attention" },
        { [4, 5], new AttentionSpec { Heads = 2 }, "attention" },
        { [4, 5], new EmbeddingSpec { Vocabulary = 3, Width = 2 }, "embedding" },
        { [4], new EmbeddingSpec { Vocabulary = 3, Width = 2 }, "embedding" },
        { [4], new ResidualSpec { Layers = [new LinearSpec { Outputs = 5 }] }, "residual" },
        { [4], new ResidualSpec { Layers = [] }, "residual" },
        { [7], new Conv2dSpec { Channels = 1, Kernel = 1 }, "conv2d" },
        { [4, 5], new Conv2dSpec { Channels = 1, Kernel = 1 }, "conv2d" },
        { [4, 5, 2], new Conv2dSpec { Channels = 1, Kernel = 5 }, "conv2d" },
        { [4, 5, 2], new Conv2dSpec { Channels = 1, Kernel = 3, Padding = 3 }, "conv2d" },
        { [7], new MaxPool2dSpec { Size = 2 }, "maxPool2d" },
        { [4, 5, 2], new MaxPool2dSpec { Size = 5 }, "maxPool2d" },
        { [4, 5], new AveragePool2dSpec { Size = 2 }, "averagePool2d" },
    };

    [Theory]
    [MemberData(nameof(Chains))]
    public void A_layer_that_fits_gives_the_shape_computed_by_hand(int[] input, LayerSpec layer, int[] output) =>
        Assert.Equal(new Shape(output), Model(input, new ReluSpec(), layer, new FlattenSpec()).Plan(Names).Layers[1].Plan.Output);

    [Theory]
    [MemberData(nameof(Breaks))]
    public void A_layer_that_does_not_fit_is_named_by_place_and_type(int[] input, LayerSpec layer, string type)
    {
        var fault = Assert.Throws<FedCoreException>(() => Model(input, new ReluSpec(), layer).Plan(Names));
        Assert.Equal("model.shape", fault.Code);
        Assert.StartsWith($"model.layers[1] ({type}): ", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, typeof(SoftmaxCrossEntropySpec))]
    [InlineData(2, typeof(BinaryCrossEntropySpec))]
    public void A_loss_that_does_not_fit_the_outputs_is_named(int outputs, Type loss)
    {
        ModelSpec model = Model([4], new LinearSpec { Outputs = outputs }) with { Loss = (LossSpec)Activator.CreateInstance(loss)! };
        Assert.StartsWith("model.loss (", Assert.Throws<FedCoreException>(() => model.Plan(Names)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(typeof(SoftmaxCrossEntropySpec))]
    [InlineData(typeof(BinaryCrossEntropySpec))]
    [InlineData(typeof(MeanSquaredErrorSpec))]
    public void A_loss_on_an_image_is_refused(Type loss)
    {
        ModelSpec model = Model([4, 4, 1], new ReluSpec()) with { Loss = (LossSpec)Activator.CreateInstance(loss)! };
        Assert.Equal("model.shape", Assert.Throws<FedCoreException>(() => model.Plan(Names)).Code);
    }

    [Fact]
    public void An_input_extent_below_one_is_named()
    {
        var fault = Assert.Throws<FedCoreException>(() => Model([4, 0, 1], new FlattenSpec()).Plan(Names));
        Assert.StartsWith("model.input[1] is 0", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_too_large_for_any_machine_is_refused_with_the_layer()
    {
        var fault = Assert.Throws<FedCoreException>(() => Model([int.MaxValue, int.MaxValue, int.MaxValue], new FlattenSpec()).Plan(Names));
        Assert.StartsWith("model.layers[0] (flatten): ", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_layers_with_one_name_are_refused()
    {
        ModelSpec model = Model([4], new LinearSpec { Outputs = 3, Name = "a" }, new LinearSpec { Outputs = 2, Name = "a" });
        var fault = Assert.Throws<FedCoreException>(() => model.Plan(Names));
        Assert.Equal("model.schema", fault.Code);
        Assert.StartsWith("model.layers[1] (linear): its tensor 'a.kernel' is called like one of model.layers[0]. ", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_layer_with_more_weights_than_a_span_holds_is_refused_with_the_tensor()
    {
        var fault = Assert.Throws<FedCoreException>(() => Model([4], new LinearSpec { Outputs = 1 << 24 }, new LinearSpec { Outputs = 1 << 24 }).Plan(Names));
        Assert.Equal(("model.size", FaultKind.Configuration), (fault.Code, fault.Kind));
        Assert.StartsWith("model.layers[1] (linear): its tensor 'kernel' [16777216, 16777216] has 281474976710656 elements", fault.Message, StringComparison.Ordinal);
        Assert.Contains("2147483647", fault.Message, StringComparison.Ordinal);
    }

    // With its bias a layer from 2046 to 2^20 has 2^20 x 2047 weights; the limit is 2^20 x 2048 - 1. Four of such layers have 8.58e9, the fifth is too much.
    [Fact]
    public void The_largest_layers_are_planned_and_too_many_of_them_refused()
    {
        LayerSpec[] pair = [new LinearSpec { Outputs = 2046 }, new LinearSpec { Outputs = 1 << 20 }];
        Assert.Equal((1L << 20) * 2046 * 2 + 2046 + (1 << 20), Model([1 << 20], pair).Plan(Names).Schema.TrainableCount);
        var fault = Assert.Throws<FedCoreException>(() => Model([1 << 20], [.. pair, .. pair, .. pair]).Plan(Names));
        Assert.Equal("model.size", fault.Code);
        Assert.StartsWith("model.layers[4] (linear): ", fault.Message, StringComparison.Ordinal);
        Assert.Contains("8589934592", fault.Message, StringComparison.Ordinal);
    }

    // 1024 x 1024 x 256 x 2^20 is 2^48.
    [Fact]
    public void A_kernel_beyond_all_numbers_is_refused_with_the_layer()
    {
        var fault = Assert.Throws<FedCoreException>(() => Model([1024, 1024, 256], new Conv2dSpec { Channels = 1 << 20, Kernel = 1024 }, new FlattenSpec()).Plan(Names));
        Assert.StartsWith("model.layers[0] (conv2d): its tensor 'kernel' [1024, 1024, 256, 1048576] has 281474976710656 elements", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_window_that_does_not_fit_is_advised_what_its_layer_can_do()
    {
        string Refusal(LayerSpec layer) => Assert.Throws<FedCoreException>(() => Model([4, 5, 2], layer).Plan(Names)).Message;
        Assert.EndsWith("a window of 5 does not fit the height 4. Use a smaller size.", Refusal(new MaxPool2dSpec { Size = 5 }), StringComparison.Ordinal);
        Assert.EndsWith("Use a smaller kernel or more padding.", Refusal(new Conv2dSpec { Channels = 1, Kernel = 5 }), StringComparison.Ordinal);
    }

    [Fact]
    public void Tensors_are_named_by_layer_type_and_position_or_by_the_given_name()
    {
        ModelSpec model = Model([4], new LinearSpec { Outputs = 3 }, new ReluSpec(), new LinearSpec { Outputs = 2, Name = "head", Bias = false });
        Assert.Equal(["linear0.kernel", "linear0.bias", "head.kernel"], model.Plan(Names).Schema.Tensors.Select(t => t.Name));
    }

    // 4 x 3 + 3 parameters, then 3 x 2.
    [Fact]
    public void Tensors_lie_one_behind_the_other()
    {
        ModelSchema schema = Model([4], new LinearSpec { Outputs = 3 }, new LinearSpec { Outputs = 2, Bias = false }).Plan(Names).Schema;
        Assert.Equal([0, 12, 15], schema.Tensors.Select(t => t.Offset));
        Assert.Equal(21, schema.TrainableCount);
    }

    // Parameters of the CNN of McMahan et al. 2017, section 3: 1,663,370.
    [Fact]
    public void The_CNN_of_the_FedAvg_paper_has_the_published_number_of_parameters()
    {
        ModelSpec cnn = Model(
            [28, 28, 1],
            new Conv2dSpec { Channels = 32, Kernel = 5, Padding = 2 }, new MaxPool2dSpec { Size = 2 },
            new Conv2dSpec { Channels = 64, Kernel = 5, Padding = 2 }, new MaxPool2dSpec { Size = 2 },
            new FlattenSpec(), new LinearSpec { Outputs = 512 }, new ReluSpec(), new LinearSpec { Outputs = 10 });
        Assert.Equal(1_663_370, cnn.Plan(Names).Schema.TrainableCount);
    }

    [Fact]
    public void A_model_reads_back_from_its_own_JSON()
    {
        JsonSerializerOptions options = FedCoreJson.Options(Names);
        ModelSpec model = Model(
            [9, 9, 2], new Conv2dSpec { Channels = 3, Kernel = 2, Stride = 2, Padding = 1, Bias = false, Name = "c" }, new DropoutSpec { Rate = 0.25 },
            new AveragePool2dSpec { Size = 2, Stride = 1 }, new FlattenSpec(), new TanhSpec(), new LinearSpec { Outputs = 5 });
        string json = JsonSerializer.Serialize(model, options);
        Assert.Equal(json, JsonSerializer.Serialize(JsonSerializer.Deserialize<ModelSpec>(json, options), options));
        Assert.Equal(model.Layers, JsonSerializer.Deserialize<ModelSpec>(json, options)!.Layers);
    }

    [Fact]
    public void Layers_in_a_residual_block_have_names_and_places_of_their_own()
    {
        LayerSpec[] inner = [new LinearSpec { Outputs = 4, Bias = false }, new ReluSpec(), new ResidualSpec { Layers = [new LinearSpec { Outputs = 4, Name = "a" }] }];
        ModelSpec model = Model([4], new ReluSpec(), new ResidualSpec { Layers = inner, Shortcut = [new LinearSpec { Outputs = 4 }] }, new LinearSpec { Outputs = 2 });
        ModelSchema schema = model.Plan(Names).Schema;
        Assert.Equal(
            ["residual1.linear0.kernel", "residual1.residual2.a.kernel", "residual1.residual2.a.bias", "residual1.shortcut.linear0.kernel", "residual1.shortcut.linear0.bias",
                "linear2.kernel", "linear2.bias"],
            schema.Tensors.Select(t => t.Name));
        Assert.Equal(16 + 16 + 4 + 16 + 4 + 8 + 2, schema.TrainableCount);
    }

    [Fact]
    public void What_is_wrong_in_a_residual_block_is_named_by_its_place_there()
    {
        string Refusal(LayerSpec block) => Assert.Throws<FedCoreException>(() => Model([4, 5], new ReluSpec(), block).Plan(Names)).Message;
        Assert.StartsWith("model.layers[1].layers[1] (conv2d): ", Refusal(new ResidualSpec { Layers = [new TanhSpec(), new Conv2dSpec { Channels = 1, Kernel = 1 }] }), StringComparison.Ordinal);
        Assert.StartsWith("model.layers[1].shortcut[0] (conv2d): ", Refusal(new ResidualSpec { Layers = [new TanhSpec()], Shortcut = [new Conv2dSpec { Channels = 1, Kernel = 1 }] }), StringComparison.Ordinal);
        Assert.StartsWith("model.layers[1].layers[0].layers[0] (attention): ", Refusal(new ResidualSpec { Layers = [new ResidualSpec { Layers = [new AttentionSpec { Heads = 2 }] }] }), StringComparison.Ordinal);
        string twice = Refusal(new ResidualSpec { Layers = [new LinearSpec { Outputs = 5, Name = "a" }, new LinearSpec { Outputs = 5, Name = "a" }] });
        Assert.StartsWith("model.layers[1].layers[1] (linear): its tensor 'residual1.a.kernel' is called like one of model.layers[1].layers[0]. ", twice, StringComparison.Ordinal);
        Assert.EndsWith("Let them keep the shape, or add a shortcut that makes [4, 3] of [4, 5] too.", Refusal(new ResidualSpec { Layers = [new LinearSpec { Outputs = 3 }] }), StringComparison.Ordinal);
        Assert.EndsWith("Let the shortcut make [4, 3] too.", Refusal(new ResidualSpec { Layers = [new LinearSpec { Outputs = 3 }], Shortcut = [new ReluSpec()] }), StringComparison.Ordinal);
    }

    // Four of 2^30 weights are the largest model; the fifth stands in a block.
    [Fact]
    public void Weights_in_residual_blocks_count()
    {
        var large = new LinearSpec { Outputs = 1 << 15, Bias = false };
        LayerSpec[] eight = [.. Enumerable.Repeat(large, 8)];
        var fault = Assert.Throws<FedCoreException>(() => Model([1 << 15], [.. eight, new ResidualSpec { Layers = [large] }]).Plan(Names));
        Assert.Equal("model.size", fault.Code);
        Assert.StartsWith("model.layers[8].layers[0] (linear): ", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_vocabulary_of_features_is_that_of_the_embedding_that_they_reach()
    {
        var embedding = new EmbeddingSpec { Vocabulary = 9, Width = 2 };
        Assert.Equal(9, Model([4], embedding).Plan(Names).Vocabulary);
        Assert.Equal(7, Model([4], new ResidualSpec { Layers = [embedding], Shortcut = [embedding with { Vocabulary = 7 }] }).Plan(Names).Vocabulary);
        Assert.Equal(0, Model([4], new LinearSpec { Outputs = 2 }).Plan(Names).Vocabulary);
    }

    [Fact]
    public void A_prediction_for_each_token_has_a_label_for_each() =>
        Assert.Equal(new LabelPlan(4, 5), Model([4, 5], new GeluSpec()).Plan(Names).Label);

    [Fact]
    public void A_model_of_residual_blocks_reads_back_from_its_own_JSON()
    {
        JsonSerializerOptions options = FedCoreJson.Options(Names);
        ModelSpec model = Model(
            [8], new EmbeddingSpec { Vocabulary = 5, Width = 4, Positions = true },
            new ResidualSpec { Layers = [new ResidualSpec { Layers = [new AttentionSpec { Heads = 2, Causal = false }] }], Shortcut = [new LinearSpec { Outputs = 4 }] },
            new LstmSpec { Units = 3, ReturnSequences = true });
        string json = JsonSerializer.Serialize(model, options);
        Assert.Equal(json, JsonSerializer.Serialize(JsonSerializer.Deserialize<ModelSpec>(json, options), options));
        Assert.Equal(model.Plan(Names).Schema.Tensors, JsonSerializer.Deserialize<ModelSpec>(json, options)!.Plan(Names).Schema.Tensors);
    }

    [Fact]
    public void A_layer_cannot_take_the_names_of_a_strategys_state() => Assert.Equal("model.schema", Assert.Throws<FedCoreException>(
        () => Model([4], new LinearSpec { Outputs = 1, Name = "strategy/momentum" }).Plan(Names)).Code);

    [Fact]
    public void A_trainable_tensor_that_is_not_F32_is_refused() => Assert.Equal("model.schema", Assert.Throws<FedCoreException>(
        () => new ModelSchema([("a", new Shape(2), TensorType.F64, TensorRole.Trainable)])).Code);

    private static ModelSpec Model(int[] input, params LayerSpec[] layers) =>
        new() { Input = input, Layers = layers, Loss = layers[^1] is LinearSpec or FlattenSpec ? new MeanSquaredErrorSpec() : new SoftmaxCrossEntropySpec() };
}
