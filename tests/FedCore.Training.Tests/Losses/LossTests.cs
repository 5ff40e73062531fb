using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Training.Engine;
using FedCore.Training.Losses;

namespace FedCore.Training.Tests.Losses;

public class LossTests
{
    private const int Batch = 3;
    private const float H = 1f / 64;

    // Central differences of the mean loss: off by h²/6 |f'''| <= 4.1e-5 / batch for cross-entropies (|f'''| < 1), nothing for squares, and by the
    // rounding of a loss below 8, a few u = 6e-8 of it, over h: 3e-5 / batch.
    [Theory]
    [InlineData("softmaxCrossEntropy", 2)]
    [InlineData("softmaxCrossEntropy", 10)]
    [InlineData("softmaxCrossEntropy", 16)]
    [InlineData("softmaxCrossEntropy", 37)]
    [InlineData("binaryCrossEntropy", 1)]
    [InlineData("meanSquaredError", 1)]
    [InlineData("meanSquaredError", 5)]
    public void Gradients_of_the_mean_loss_are_differences_but_for_their_error(string name, int width)
    {
        (Loss loss, LabelPlan plan) = Make(name, width);
        var random = Draw.Stream("outputs");
        float[] outputs = Room([.. Draw.Uniform(random, Batch * width).Select(v => 3 * v)], width), labels = Draw.Uniform(random, Batch * plan.Width);
        if (plan.Classes > 0)
            for (int i = 0; i < labels.Length; i++) labels[i] = random.NextInt32(plan.Classes);
        float[] gradient = new float[outputs.Length];
        loss.Evaluate(outputs, labels, Batch, gradient, new double[loss.SumCount]);
        for (int i = 0; i < Batch * width; i++)
        {
            float value = outputs[i];
            outputs[i] = value + H;
            double above = MeanLoss(loss, outputs, labels);
            outputs[i] = value - H;
            double difference = (above - MeanLoss(loss, outputs, labels)) / (2 * H);
            outputs[i] = value;
            Assert.Equal(difference, gradient[i], 1e-4 / Batch);
        }
    }

    // By hand: -log(e^2 / (e^1 + e^2 + e^0)) and -log(e^0 / 3).
    [Fact]
    public void Softmax_cross_entropy_sums_losses_and_right_answers()
    {
        double[] sums = Evaluate("softmaxCrossEntropy", 3, [1, 2, 0, 0, 0, 0], [1, 2]);
        Assert.Equal(Math.Log(1 + Math.Exp(-1) + Math.Exp(-2)) + Math.Log(3), sums[0], 1e-6);
        Assert.Equal(1, sums[1]);
    }

    // Two examples of two tokens: of the first one token is right. The mean loss of tokens that are rows is that of examples that are sequences.
    [Fact]
    public void Softmax_cross_entropy_of_tokens_is_the_mean_over_each_examples_tokens()
    {
        const int classes = 3;
        float[] outputs = [1, 2, 0, 0, 0, 1, 0, 3, 1, 2, 0, 1], labels = [1, 0, 1, 0];
        (Loss sequences, LabelPlan plan) = Make("softmaxCrossEntropy", [2, classes]);
        (Loss rows, _) = Make("softmaxCrossEntropy", [classes]);
        Assert.Equal(new LabelPlan(2, classes), plan);
        double[] sums = new double[2], rowSums = new double[2];
        float[] gradient = Room(new float[12], 2 * classes), rowGradient = Room(new float[12], classes);
        sequences.Evaluate(Room(outputs, 2 * classes), labels, 2, gradient, sums);
        rows.Evaluate(Room(outputs, classes), labels, 4, rowGradient, rowSums);
        Assert.Equal(rowSums[0] / 2, sums[0], 1e-12);
        Assert.Equal(0.5 + 1, sums[1]);
        Assert.Equal(rowGradient[..12], gradient[..12]);
    }

    // Adding a constant to all logits changes nothing; e^1000 would overflow.
    [Theory]
    [InlineData(new float[] { 1000, 1001, 999 }, 1, 0.40760596)]
    [InlineData(new float[] { -1000, 1000, 0 }, 0, 2000)]
    [InlineData(new float[] { -1000, 1000, 0 }, 1, 0)]
    public void Softmax_cross_entropy_of_extreme_logits_is_right(float[] logits, int label, double expected) =>
        Assert.Equal(expected, Evaluate("softmaxCrossEntropy", 3, logits, [label])[0], 1e-6);

    [Theory]
    [InlineData(0, 1, 0.6931472, 0)]
    [InlineData(0, 0, 0.6931472, 1)]
    [InlineData(2, 1, 0.126928, 1)]
    [InlineData(2, 0, 2.126928, 0)]
    [InlineData(500, 0, 500, 0)]
    [InlineData(-500, 0, 0, 1)]
    public void Binary_cross_entropy_is_log_1_plus_exp(float logit, float label, double loss, double correct)
    {
        double[] sums = Evaluate("binaryCrossEntropy", 1, [logit], [label]);
        Assert.Equal(loss, sums[0], 1e-6);
        Assert.Equal(correct, sums[1]);
    }

    [Fact]
    public void Mean_squared_error_is_the_mean_over_outputs_and_so_is_the_absolute_error()
    {
        double[] sums = Evaluate("meanSquaredError", 2, [1, 2, 0, 0], [0, 4, 0, 1]);
        Assert.Equal((1 + 4) / 2.0 + 1 / 2.0, sums[0]);
        Assert.Equal((1 + 2) / 2.0 + 1 / 2.0, sums[1]);
    }

    [Theory]
    [InlineData("softmaxCrossEntropy", 3)]
    [InlineData("binaryCrossEntropy", 1)]
    [InlineData("meanSquaredError", 3)]
    public void An_output_that_is_not_a_number_makes_the_loss_none(string name, int width)
    {
        (Loss loss, LabelPlan plan) = Make(name, width);
        float[] outputs = new float[width];
        outputs[^1] = float.NaN;
        double[] sums = new double[loss.SumCount];
        loss.Evaluate(Room(outputs, width), new float[plan.Width], 1, default, sums);
        Assert.True(double.IsNaN(sums[0]));
    }

    [Fact]
    public void Logits_of_which_none_is_a_number_answer_no_class() =>
        Assert.Equal(0, Evaluate("softmaxCrossEntropy", 3, [float.NaN, float.NaN, float.NaN], [0])[1]);

    [Fact]
    public void Of_equal_logits_the_first_is_the_answer()
    {
        Assert.Equal(1, Evaluate("softmaxCrossEntropy", 4, [0, 2, 1, 2], [1])[1]);
        Assert.Equal(0, Evaluate("softmaxCrossEntropy", 4, [0, 2, 1, 2], [3])[1]);
    }

    // Powers of two, so that the mean's factor rounds nothing: a part of a vector of examples, and two vectors.
    [Theory]
    [InlineData(8)]
    [InlineData(32)]
    public void Softmax_cross_entropy_of_an_example_has_the_same_bits_in_any_batch(int batch)
    {
        const int width = 10;
        var random = Draw.Stream("outputs");
        float[] outputs = [.. Draw.Uniform(random, batch * width).Select(v => 3 * v)], labels = new float[batch];
        for (int i = 0; i < batch; i++) labels[i] = random.NextInt32(width);
        (Loss loss, _) = Make("softmaxCrossEntropy", width);
        float[] together = Room(new float[batch * width], width), alone = Room(new float[width], width);
        double[] sums = new double[2], sum = new double[2];
        loss.Evaluate(Room(outputs, width), labels, batch, together, sums);
        for (int i = 0; i < batch; i++)
        {
            loss.Evaluate(Room(outputs[(i * width)..((i + 1) * width)], width), [labels[i]], 1, alone, sum);
            for (int c = 0; c < width; c++) Assert.Equal(alone[c] / batch, together[i * width + c]);
        }

        Assert.Equal(sum, sums);
    }

    private static double[] Evaluate(string name, int width, float[] outputs, float[] labels)
    {
        double[] sums = new double[2];
        Make(name, width).Loss.Evaluate(Room(outputs, width), labels, outputs.Length / width, default, sums);
        return sums;
    }

    // With room for three more rows, as a loss may expect it; what stands there must not matter.
    private static float[] Room(float[] rows, int width) => [.. rows, .. Enumerable.Repeat(float.NaN, 3 * width + 16)];

    private static double MeanLoss(Loss loss, float[] outputs, float[] labels)
    {
        double[] sums = new double[loss.SumCount];
        loss.Evaluate(outputs, labels, Batch, default, sums);
        return sums[0] / Batch;
    }

    private static (Loss Loss, LabelPlan Plan) Make(string name, int width) => Make(name, [width]);

    private static (Loss Loss, LabelPlan Plan) Make(string name, int[] output)
    {
        var registry = Registry.CreateDefault();
        var spec = (LossSpec)Activator.CreateInstance(registry.NamesOf(typeof(LossSpec))[name])!;
        ModelPlan model = new ModelSpec { Input = [.. output[..^1], 2], Layers = [new LinearSpec { Outputs = output[^1] }], Loss = spec }.Plan(registry);
        return (EngineRegistry.CreateDefault().Create(spec, model), model.Label);
    }
}
