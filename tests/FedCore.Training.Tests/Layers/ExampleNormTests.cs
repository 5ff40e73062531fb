using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Training.Data;
using FedCore.Training.Engine;
using FedCore.Training.Layers;
using FedCore.Training.Tests.Engine;
using FedCore.Training.Tests.Registration;

namespace FedCore.Training.Tests.Layers;

/// <summary>The squared norms of single examples' gradients against the gradients of batches of one.</summary>
public class ExampleNormTests
{
    private const int Batch = 3;

    /// <summary>Products over pairs of rows are shorter where the layers are wide, the gradient's own numbers where the sequences or images are large.</summary>
    public static TheoryData<LayerSpec, int[]> Cases => new()
    {
        { new LayerNormSpec(), [7] },
        { new LayerNormSpec(), [5, 33] },
        { new GroupNormSpec { Groups = 3 }, [12] },
        { new GroupNormSpec { Groups = 4 }, [3, 4, 20] },
        { new LinearSpec { Outputs = 9 }, [13] },
        { new LinearSpec { Outputs = 9, Bias = false }, [13] },
        { new LinearSpec { Outputs = 30 }, [5, 40] },
        { new LinearSpec { Outputs = 3 }, [30, 4] },
        { new Conv2dSpec { Channels = 3, Kernel = 3, Padding = 2 }, [7, 6, 2] },
        { new Conv2dSpec { Channels = 40, Kernel = 3, Stride = 2, Padding = 1 }, [4, 5, 17] },
        { new Conv2dSpec { Channels = 4, Kernel = 2, Bias = false }, [2, 2, 3] },
        { new EmbeddingSpec { Vocabulary = 4, Width = 5 }, [9] },
        { new EmbeddingSpec { Vocabulary = 4, Width = 5, Positions = true }, [9] },
        { new LstmSpec { Units = 6 }, [1, 5] },
        { new LstmSpec { Units = 20, ReturnSequences = true }, [4, 15] },
        { new LstmSpec { Units = 2 }, [30, 3] },
        { new AttentionSpec { Heads = 2 }, [5, 24] },
        { new AttentionSpec { Heads = 2, Causal = false, Bias = false }, [30, 4] },
        { new ResidualSpec { Layers = [new LinearSpec { Outputs = 8 }, new ReluSpec(), new LinearSpec { Outputs = 5 }] }, [4, 5] },
        { new ResidualSpec { Layers = [new LinearSpec { Outputs = 6 }], Shortcut = [new LinearSpec { Outputs = 6, Bias = false }] }, [5] },
    };

    // Sums of some hundred products of either sign in single precision.
    [Theory]
    [MemberData(nameof(Cases))]
    public void Norms_and_input_gradients_are_those_of_batches_of_one(LayerSpec spec, int[] extents)
    {
        var shape = new Shape(extents);
        LayerPlan plan = spec.Plan(shape);
        int inputs = (int)shape.ElementCount, outputs = (int)plan.Output.ElementCount, count = (int)plan.Tensors.Sum(tensor => tensor.Shape.ElementCount);
        using Layer layer = EngineRegistry.CreateDefault().Create(spec, new LayerSite(shape, plan.Output, Batch, NeedsInputGradient: true));
        RandomStream random = Draw.Stream("norms");
        using FlatVector x = Rows(inputs), dy = Rows(outputs), y = Rows(outputs), dx = Rows(inputs), ownX = Rows(inputs), ownDy = Rows(outputs), ownDx = Rows(inputs);
        using FlatVector parameters = new(count), gradients = new(count);
        foreach (ref float value in x.AsSpan()) value = spec is EmbeddingSpec embedding ? random.NextInt32(embedding.Vocabulary) : (float)(2 * random.NextDouble() - 1);
        Draw.Uniform(random, (int)dy.Length).CopyTo(dy.AsSpan());
        Draw.Uniform(random, count).CopyTo(parameters.AsSpan());
        double[] norms = [0, 100, 0];
        LayerPass all = Pass(Batch);
        layer.Forward(all, x.AsSpan(), y.AsSpan());
        layer.BackwardNorms(all, x.AsSpan(), y.AsSpan(), dy.AsSpan(), dx.AsSpan(), norms);
        norms[1] -= 100;
        float[] inputGradient = dx.AsSpan().ToArray();

        // The backward pass may follow, and finds what it needs.
        layer.Backward(all, x.AsSpan(), y.AsSpan(), dy.AsSpan(), ownDx.AsSpan());
        float[] behind = gradients.AsSpan().ToArray();
        layer.Forward(all, x.AsSpan(), y.AsSpan());
        layer.Backward(all, x.AsSpan(), y.AsSpan(), dy.AsSpan(), dx.AsSpan());
        Assert.Equal(gradients.AsSpan().ToArray(), behind);
        Assert.Equal(dx.Slice(0, Batch * inputs).ToArray(), ownDx.Slice(0, Batch * inputs).ToArray());
        for (int example = 0; example < Batch; example++)
        {
            x.Slice(example * inputs, inputs).CopyTo(ownX.AsSpan());
            dy.Slice(example * outputs, outputs).CopyTo(ownDy.AsSpan());
            LayerPass one = Pass(1);
            layer.Forward(one, ownX.AsSpan(), y.AsSpan());
            layer.Backward(one, ownX.AsSpan(), y.AsSpan(), ownDy.AsSpan(), ownDx.AsSpan());
            double expected = gradients.AsSpan().ToArray().Sum(g => (double)g * g);
            AssertBounded(expected, norms[example]);
            for (int i = 0; i < inputs; i++) Assert.Equal(ownDx.AsSpan()[i], inputGradient[example * inputs + i], 1e-4f);
        }

        static FlatVector Rows(int size) => new((Batch + 3) * size);

        unsafe LayerPass Pass(int batch) =>
            new(batch, true, parameters.AsSpan(), gradients.AsSpan(), false, null) { All = new AllTensors(parameters.Pointer, gradients.Pointer, null) };
    }

    // Higham 2002, equation 4.4, for as many additions as there are examples; where an example is one row its products are not rounded before.
    [Theory]
    [MemberData(nameof(Cases))]
    public void Kept_apart_examples_change_the_sum_by_their_own_gradients_and_a_rounding_each(LayerSpec spec, int[] extents)
    {
        using var bench = new Bench(spec, new Shape(extents));
        float[] sum = bench.GradientsOf(0, Batch);
        double[] expected = new double[sum.Length], together = new double[sum.Length];
        for (int example = 0; example < Batch; example++)
        {
            float[] own = bench.GradientsOf(example, 1);
            for (int i = 0; i < own.Length; i++) (expected[i], together[i]) = (expected[i] + own[i], together[i] + Math.Abs(own[i]));
        }

        for (int i = 0; i < sum.Length; i++) Assert.InRange(Math.Abs(sum[i] - expected[i]), 0, (Batch + 1) / (double)(1 << 24) * together[i]);
    }

    private sealed unsafe class Bench : IDisposable
    {
        private readonly Layer _layer;
        private readonly int _inputs, _outputs;
        private readonly FlatVector _x, _dy, _y, _dx, _parameters, _gradients;

        public Bench(LayerSpec spec, Shape shape)
        {
            LayerPlan plan = spec.Plan(shape);
            int count = (int)plan.Tensors.Sum(tensor => tensor.Shape.ElementCount);
            (_inputs, _outputs) = ((int)shape.ElementCount, (int)plan.Output.ElementCount);
            _layer = EngineRegistry.CreateDefault().Create(spec, new LayerSite(shape, plan.Output, Batch, NeedsInputGradient: true));
            RandomStream random = Draw.Stream("apart");
            (_x, _dy, _y, _dx, _parameters, _gradients) = (Rows(_inputs), Rows(_outputs), Rows(_outputs), Rows(_inputs), new FlatVector(count), new FlatVector(count));
            foreach (ref float value in _x.AsSpan()) value = spec is EmbeddingSpec embedding ? random.NextInt32(embedding.Vocabulary) : (float)(2 * random.NextDouble() - 1);
            Draw.Uniform(random, (int)_dy.Length).CopyTo(_dy.AsSpan());
            Draw.Uniform(random, count).CopyTo(_parameters.AsSpan());

            // A network's layers may overwrite what they are given, and read three rows more.
            static FlatVector Rows(int size) => new((2 * Batch + 3) * size);
        }

        /// <summary>The gradients of some of the examples, of which each is formed by itself.</summary>
        public float[] GradientsOf(int first, int count)
        {
            using FlatVector dy = new(_dy.Length);
            _dy.AsSpan()[(first * _outputs)..].CopyTo(dy.AsSpan());
            Span<float> x = _x.AsSpan()[(first * _inputs)..];
            var pass = new LayerPass(count, true, _parameters.AsSpan(), _gradients.AsSpan(), false, null)
            {
                All = new AllTensors(_parameters.Pointer, _gradients.Pointer, null),
                KeepsExamplesApart = true,
            };
            _gradients.AsSpan().Fill(float.NaN);
            _layer.Forward(pass, x, _y.AsSpan());
            _layer.Backward(pass, x, _y.AsSpan(), dy.AsSpan(), _dx.AsSpan());
            return _gradients.AsSpan().ToArray();
        }

        public void Dispose()
        {
            _layer.Dispose();
            foreach (FlatVector vector in (FlatVector[])[_x, _dy, _y, _dx, _parameters, _gradients]) vector.Dispose();
        }
    }

    [Fact]
    public void They_need_no_input_gradient()
    {
        using Layer layer = EngineRegistry.CreateDefault().Create(new LinearSpec { Outputs = 1 }, new LayerSite(new Shape(2), new Shape(1), 1, NeedsInputGradient: false));
        double[] norms = new double[1];
        layer.BackwardNorms(new LayerPass(1, true, new float[3], new float[3], false, null), new float[8], new float[4], [3, 0, 0, 0], default, norms);
        Assert.Equal(9, norms[0]);
    }

    public static TheoryData<string> Models => ["images", "tokens"];

    [Theory]
    [MemberData(nameof(Models))]
    public void The_norm_of_a_models_gradient_is_that_of_a_batch_of_one(string name)
    {
        RunPlan plan = Plans.Of(Plans.WithoutDropout(name == "images" ? Plans.EveryLayer : Plans.EverySequenceLayer));
        using var client = new RandomClient(plan);
        double[] norms = client.Model.ComputeSquaredGradientNorms().ToArray();
        Assert.Equal(4, norms.Length);

        // The same examples one at a time, in the same shuffled order.
        using var alone = new RandomClient(plan, batchSize: 1);
        foreach (double norm in norms)
        {
            alone.Model.ComputeGradients();
            double expected = alone.Model.Gradients.AsSpan().ToArray().Sum(g => (double)g * g);
            AssertBounded(expected, norm);
        }
    }

    // The clip lies among the norms: some examples are scaled down, others are not.
    [Theory]
    [MemberData(nameof(Models))]
    public void Clipped_gradients_are_summed_as_if_each_were_computed_and_clipped_alone(string name)
    {
        RunPlan plan = Plans.Of(Plans.WithoutDropout(name == "images" ? Plans.EveryLayer : Plans.EverySequenceLayer));
        using RandomClient alone = new(plan, batchSize: 1), client = new(plan), seen = new(plan);
        double[] norms = seen.Model.ComputeSquaredGradientNorms().ToArray();
        double clip = Math.Sqrt(norms.Order().ElementAt(1)) * 1.0001;
        double[] expected = new double[alone.Model.Gradients.Length];
        int clipped = 0;
        foreach (double _ in norms)
        {
            alone.Model.ComputeGradients();
            float[] gradient = alone.Model.Gradients.AsSpan().ToArray();
            double norm = Math.Sqrt(gradient.Sum(g => (double)g * g)), factor = Math.Min(1, clip / norm);
            if (factor < 1) clipped++;
            for (int i = 0; i < expected.Length; i++) expected[i] += factor * gradient[i];
        }

        Assert.Equal(norms.Length, client.Model.ComputeClippedGradients(clip));
        Assert.InRange(clipped, 1, norms.Length - 1);
        float[] sum = client.Model.Gradients.AsSpan().ToArray();
        double difference = Math.Sqrt(sum.Zip(expected, (a, b) => (a - b) * (a - b)).Sum());
        Assert.InRange(difference, 0, 2e-3 * clip);
    }

    // The first of four is said to be shorter than it is, as weights could make it seem.
    [Theory]
    [InlineData("images")]
    [InlineData("tokens")]
    public void What_is_longer_than_the_clip_all_the_same_is_named(string name)
    {
        RunPlan plan = Plans.Of(Plans.WithoutDropout(name == "images" ? Plans.EveryLayer : Plans.EverySequenceLayer));
        ClientData data = RandomClient.ExamplesFor(plan);
        using ModelState model = ModelState.Initialize(plan.Model, Draw.Stream("model"));
        using FlatVector gradients = new(model.Trainable.Length);
        using var network = new Network(plan.Model, EngineRegistry.CreateDefault(), 4, model.Trainable, gradients);
        int[] rows = [0, 1, 2, 3];
        data.Train.Set.CopyFeatures(rows, network.Inputs.AsSpan());
        data.Train.Set.CopyLabels(rows, network.Labels);
        double[] norms = new double[4];
        PassRandom none = (RandomStream?)null;
        network.Forward(4, training: true, none);
        network.BackwardNorms(4, none, norms, new double[network.SumCount]);
        double clip = Math.Sqrt(norms[0]) / 2;
        norms[0] = 0;
        Assert.False(network.BackwardClipped(4, none, clip, norms));
        Assert.Equal(double.PositiveInfinity, norms[0]);
        Assert.All(norms[1..], norm => Assert.InRange(norm, 1e-12, clip * clip * 1.002));
    }

    // What comes back is never less than the norm but for the rounding of single products, and hardly more.
    private static void AssertBounded(double expected, double found) => Assert.InRange(found, expected * (1 - 2e-7), expected * 1.002);

    // With a last layer of 1e-23 no square of a gradient's numbers has room in a float, and the inputs are as large as to make up for it; the other way round with 1e18.
    [Theory]
    [InlineData(1e-23f, 1e18f)]
    [InlineData(1e18f, 1e-20f)]
    [InlineData(1e-30f, 1e25f)]
    public void No_weights_make_a_gradient_longer_than_its_clip(float weight, float feature)
    {
        RunPlan plan = Plans.Of(new ModelSpec { Input = [1], Layers = [new LinearSpec { Outputs = 1, Bias = false }, new LinearSpec { Outputs = 1, Bias = false }], Loss = new MeanSquaredErrorSpec() });
        using var client = new Chosen(plan, [0, weight], [feature], [1]);
        foreach (double clip in (double[])[1e-6, 1e-3, 1]) AssertWithin(client, clip);
    }

    // Two tokens whose gradients nearly cancel, in front of a last layer that makes up for it.
    [Theory]
    [InlineData(1f)]
    [InlineData(1e4f)]
    [InlineData(1e8f)]
    public void No_cancelling_tokens_make_a_gradient_longer_than_its_clip(float weight)
    {
        RunPlan plan = Plans.Of(new ModelSpec
        {
            Input = [6, 16],
            Layers = [new LinearSpec { Outputs = 16, Bias = false }, new TanhSpec(), new FlattenSpec(), new LinearSpec { Outputs = 1, Bias = false }],
            Loss = new MeanSquaredErrorSpec(),
        });
        RandomStream random = Draw.Stream("cancelling");
        float[] weights = [.. Enumerable.Range(0, 16 * 16).Select(_ => (float)random.NextNormal()), .. Enumerable.Range(0, 96).Select(i => weight * (i / 16 % 2 == 0 ? 1 : -1))], features = new float[96];
        for (int i = 0; i < 16; i++)
            for (int token = 0; token < 6; token++) features[token * 16 + i] = (i % 3 - 1) * (1 + token * 1e-4f);
        using var client = new Chosen(plan, weights, features, [1]);
        foreach (double clip in (double[])[1e-3, 1, 100]) AssertWithin(client, clip);
    }

    private static void AssertWithin(Chosen client, double clip)
    {
        client.Model.ComputeClippedGradients(clip);
        Assert.InRange(Math.Sqrt(client.Model.Gradients.AsSpan().ToArray().Sum(value => (double)value * value)), 0, clip * 1.002);
    }

    private sealed class Chosen : IDisposable
    {
        private readonly FlatVector _parameters;

        public Chosen(RunPlan plan, float[] weights, float[] features, float[] label)
        {
            _parameters = new FlatVector(weights.Length);
            weights.CopyTo(_parameters.AsSpan());
            Model = new LocalModel(plan, EngineRegistry.CreateDefault(), _parameters);
            Model.NetworkFor(1);
            var batches = new ShuffledBatches();
            batches.Reset(1, 1, Draw.Stream("one"));
            Model.Begin(ExampleView.All(new InMemoryExamples(plan.Model.Input, features, label, 1)), batches, null);
        }

        public LocalModel Model { get; }

        public void Dispose()
        {
            Model.Dispose();
            _parameters.Dispose();
        }
    }

    [Fact]
    public void A_layer_that_does_not_know_them_says_so()
    {
        using Layer layer = new ScaleLayer(2);
        var fault = Assert.Throws<FedCoreException>(() => layer.BackwardNorms(
            new LayerPass(1, true, new float[2], new float[2], false, null), new float[2], new float[2], new float[2], new float[2], new double[1]));
        Assert.Contains(nameof(ScaleLayer), fault.Message, StringComparison.Ordinal);
    }
}
