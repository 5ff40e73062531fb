using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Training.Engine;
using FedCore.Training.Layers;
using FedCore.Training.Losses;

namespace FedCore.Training.Tests.Layers;

/// <summary>
/// What is computed for an example has the same bits in any batch: on that rests that an example which is left out shows in nothing but its own part of a sum. Batches of 67 and 63 go other ways, through
/// packed panels or not; and so do batches of zeros and of others, of which the first are looked at.
/// </summary>
public class BatchIndependenceTests
{
    private const int Many = 67;

    private static readonly int[] Out = [0, 5, 17, 40];

    public static TheoryData<LayerSpec, int[]> Cases => new()
    {
        { new LinearSpec { Outputs = 200 }, [130] },
        { new LinearSpec { Outputs = 10 }, [200] },
        { new LinearSpec { Outputs = 3 }, [7] },
        { new LinearSpec { Outputs = 1 }, [1] },
        { new LinearSpec { Outputs = 600 }, [900] },
        { new LinearSpec { Outputs = 144 }, [5, 40] },
        { new Conv2dSpec { Channels = 32, Kernel = 5, Padding = 2 }, [8, 8, 16] },
        { new Conv2dSpec { Channels = 8, Kernel = 3, Padding = 1 }, [6, 7, 1] },
        { new Conv2dSpec { Channels = 40, Kernel = 3, Stride = 2, Padding = 1 }, [4, 5, 17] },
        { new LstmSpec { Units = 40, ReturnSequences = true }, [4, 15] },
        { new LstmSpec { Units = 6 }, [9, 5] },
        { new AttentionSpec { Heads = 2 }, [5, 24] },
        { new GroupNormSpec { Groups = 4 }, [3, 4, 20] },
        { new LayerNormSpec(), [5, 33] },
        { new EmbeddingSpec { Vocabulary = 9, Width = 5, Positions = true }, [9] },
        { new MaxPool2dSpec { Size = 2 }, [6, 6, 5] },
        { new ReluSpec(), [33] },
        { new TanhSpec(), [33] },
        { new TanhSpec(), [1] },
        { new TanhSpec(), [3] },
        { new SigmoidSpec(), [1] },
        { new SigmoidSpec(), [20] },
        { new GeluSpec(), [1] },
        { new ReluSpec(), [1] },
        { new GeluSpec(), [33] },
        { new ResidualSpec { Layers = [new LinearSpec { Outputs = 150 }, new ReluSpec(), new LinearSpec { Outputs = 50 }] }, [50] },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void What_is_computed_for_an_example_has_the_same_bits_whichever_others_are_there(LayerSpec spec, int[] extents)
    {
        using var bench = new Bench(spec, new Shape(extents));
        int[] all = [.. Enumerable.Range(0, Many)], some = [.. all.Except(Out)], few = [40, 3, 66];
        (float[] outputs, float[] gradients, double[] norms) = bench.Run(all);
        foreach (int[] batch in (int[][])[some, few, [17], [4, 2], [66, 1, 33, 5]])
        {
            (float[] ownOutputs, float[] ownGradients, double[] ownNorms) = bench.Run(batch);
            for (int place = 0; place < batch.Length; place++)
            {
                AssertSame(outputs, ownOutputs, batch[place], place);
                AssertSame(gradients, ownGradients, batch[place], place);
                Assert.Equal(norms[batch[place]], ownNorms[place]);
            }

            // Zeros have the sign that their sum gave them; nothing asks for it.
            void AssertSame(float[] expected, float[] found, int example, int place)
            {
                int size = expected.Length / Many;
                Assert.Equal(expected.AsSpan(example * size, size).ToArray(), found.AsSpan(place * size, size).ToArray());
            }
        }
    }

    public static TheoryData<LossSpec, int> Losses => new()
    {
        { new SoftmaxCrossEntropySpec(), 7 }, { new BinaryCrossEntropySpec(), 1 }, { new MeanSquaredErrorSpec(), 5 },
    };

    [Theory]
    [MemberData(nameof(Losses))]
    public void An_examples_gradient_of_its_own_loss_has_the_same_bits_whichever_others_are_there(LossSpec spec, int outputs)
    {
        RunPlan plan = Plans.Of(new ModelSpec { Input = [2], Layers = [new LinearSpec { Outputs = outputs }], Loss = spec });
        Loss loss = EngineRegistry.CreateDefault().Create(spec, plan.Model);
        int width = plan.Model.Label.Width;
        RandomStream random = Draw.Stream("losses");
        float[] values = Draw.Uniform(random, Many * outputs), labels = [.. Enumerable.Range(0, Many * width).Select(_ => (float)random.NextInt32(2))];
        float[] all = Run([.. Enumerable.Range(0, Many)]);
        foreach (int[] batch in (int[][])[[.. Enumerable.Range(0, Many).Except(Out)], [40, 3, 66], [17]])
        {
            float[] found = Run(batch);
            for (int place = 0; place < batch.Length; place++) Assert.Equal(all.AsSpan(batch[place] * outputs, outputs).ToArray(), found.AsSpan(place * outputs, outputs).ToArray());
        }

        float[] Run(int[] batch)
        {
            float[] own = new float[(batch.Length + 3) * outputs + 16], gradient = new float[own.Length];
            for (int place = 0; place < batch.Length; place++) values.AsSpan(batch[place] * outputs, outputs).CopyTo(own.AsSpan(place * outputs));
            int room = (batch.Length + 3) * outputs;
            loss.EvaluateApart(own.AsSpan(0, room), [.. batch.SelectMany(example => labels.AsSpan(example * width, width).ToArray())], batch.Length, gradient.AsSpan(0, room), new double[loss.SumCount]);
            return gradient[..(batch.Length * outputs)];
        }
    }

    private sealed unsafe class Bench : IDisposable
    {
        private readonly Layer _layer;
        private readonly int _inputs, _outputs;
        private readonly float[] _features, _lossGradients;
        private readonly FlatVector _parameters, _scratch;

        public Bench(LayerSpec spec, Shape shape)
        {
            LayerPlan plan = spec.Plan(shape);
            int count = (int)plan.Tensors.Sum(tensor => tensor.Shape.ElementCount);
            (_inputs, _outputs) = ((int)shape.ElementCount, (int)plan.Output.ElementCount);
            _layer = EngineRegistry.CreateDefault().Create(spec, new LayerSite(shape, plan.Output, Many, NeedsInputGradient: true));
            RandomStream random = Draw.Stream("independence");
            (_parameters, _scratch) = (new FlatVector(count), new FlatVector(count));
            Draw.Uniform(random, count).CopyTo(_parameters.AsSpan());
            (_features, _lossGradients) = (Sparse(random, _inputs), Sparse(random, _outputs));
            if (spec is EmbeddingSpec embedding) foreach (ref float value in _features.AsSpan()) value = random.NextInt32(embedding.Vocabulary);
        }

        /// <summary>Outputs, input gradients and squared norms of some of the examples as a batch.</summary>
        public (float[] Outputs, float[] InputGradients, double[] Norms) Run(int[] batch)
        {
            using FlatVector x = Rows(_features, _inputs), y = new((Many + 3) * _outputs), dy = Rows(_lossGradients, _outputs), dx = new((Many + 3) * _inputs);
            FlatVector output = _layer.IsInPlace ? x : y, inputGradient = _layer.IsInPlace ? dy : dx;
            var pass = new LayerPass(batch.Length, true, _parameters.AsSpan(), _scratch.AsSpan(), false, null) { All = new AllTensors(_parameters.Pointer, _scratch.Pointer, null), KeepsExamplesApart = true };
            double[] norms = new double[batch.Length];
            _layer.Forward(pass, x.AsSpan(), output.AsSpan());
            float[] outputs = output.Slice(0, batch.Length * _outputs).ToArray();
            _layer.BackwardNorms(pass, x.AsSpan(), output.AsSpan(), dy.AsSpan(), inputGradient.AsSpan(), norms);
            return (outputs, inputGradient.Slice(0, batch.Length * _inputs).ToArray(), norms);

            FlatVector Rows(float[] all, int size)
            {
                var rows = new FlatVector((Many + 3) * size);
                for (int place = 0; place < batch.Length; place++) all.AsSpan(batch[place] * size, size).CopyTo(rows.Slice(place * size, size));
                return rows;
            }
        }

        public void Dispose()
        {
            _layer.Dispose();
            _parameters.Dispose();
            _scratch.Dispose();
        }

        // The examples that are left out are dense, the others mostly zeros.
        private static float[] Sparse(RandomStream random, int size)
        {
            float[] values = Draw.Uniform(random, Many * size);
            for (int i = 0; i < values.Length; i++)
                if (!Out.Contains(i / size) && random.NextDouble() < 0.9) values[i] = 0;
            return values;
        }
    }
}
