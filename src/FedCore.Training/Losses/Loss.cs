using System.Numerics.Tensors;

namespace FedCore.Training.Losses;

/// <summary>The arithmetic of a loss for whole batches.</summary>
public abstract class Loss
{
    /// <summary>Number of sums beside the examples: the loss first, then the loss's own metrics in their declared order.</summary>
    public abstract int SumCount { get; }

    /// <summary>Adds up the losses and metrics of a batch and, where it is wanted, computes the gradient of the batch's mean loss.</summary>
    /// <param name="outputs">The model's outputs, [batch, width].</param>
    /// <param name="labels">The labels, [batch, label width].</param>
    /// <param name="batch">Number of examples, at least 1.</param>
    /// <param name="gradient">Receives the gradient, [batch, width]; empty where it is not wanted. It may be the memory of the outputs.</param>
    /// <param name="sums">The sums, to be added to.</param>
    public abstract void Evaluate(ReadOnlySpan<float> outputs, ReadOnlySpan<float> labels, int batch, Span<float> gradient, Span<double> sums);
}

/// <summary>Softmax and cross-entropy: -log p(label), with the gradient p - onehot(label). The second sum counts right answers.</summary>
internal sealed class SoftmaxCrossEntropyLoss(int classes) : Loss
{
    private const int Lanes = 16;
    private float[] _powers = [];

    public override int SumCount => 2;

    public override void Evaluate(ReadOnlySpan<float> outputs, ReadOnlySpan<float> labels, int batch, Span<float> gradient, Span<double> sums)
    {
        // exp(logit - largest) of the whole batch at once: the logits of one example are too few for vectors. Whole vectors, so that each number has the
        // same bits in any batch.
        int length = batch * classes, padded = (length + Lanes - 1) / Lanes * Lanes;
        if (_powers.Length < padded) _powers = new float[padded];
        Span<float> powers = _powers.AsSpan(0, padded);
        powers[length..].Clear();
        for (int example = 0; example < batch; example++)
        {
            ReadOnlySpan<float> logits = outputs.Slice(example * classes, classes);
            Span<float> row = powers.Slice(example * classes, classes);
            float largest = logits[0];
            foreach (float logit in logits) largest = float.MaxNative(logit, largest);
            int label = (int)labels[example];

            // The answer is the first of the largest.
            bool isAnswer = logits[label] == largest;
            for (int i = 0; i < label; i++) isAnswer &= logits[i] < largest;
            if (isAnswer) sums[1]++;
            for (int i = 0; i < row.Length; i++) row[i] = logits[i] - largest;
            sums[0] -= row[label];
        }

        TensorPrimitives.Exp(powers, powers);
        float scale = 1f / batch;
        for (int example = 0; example < batch; example++)
        {
            Span<float> row = powers.Slice(example * classes, classes);
            float total = Sum(row);
            sums[0] += MathF.Log(total);
            if (gradient.IsEmpty) continue;
            Span<float> target = gradient.Slice(example * classes, classes);
            float factor = scale / total;
            for (int i = 0; i < row.Length; i++) target[i] = row[i] * factor;
            target[(int)labels[example]] -= scale;
        }
    }

    // In 16 logical lanes, so that the bits are the same for any vector width.
    private static float Sum(ReadOnlySpan<float> values)
    {
        if (values.Length <= Lanes)
        {
            float sum = 0;
            foreach (float value in values) sum += value;
            return sum;
        }

        Span<float> lanes = stackalloc float[Lanes];
        lanes.Clear();
        for (int i = 0; i < values.Length; i++) lanes[i % Lanes] += values[i];
        return Sum(lanes);
    }
}

/// <summary>Sigmoid and binary cross-entropy on one logit z: log(1 + exp(-|z|)) + max(z, 0) - z y. The second sum counts right answers.</summary>
internal sealed class BinaryCrossEntropyLoss : Loss
{
    public override int SumCount => 2;

    public override void Evaluate(ReadOnlySpan<float> outputs, ReadOnlySpan<float> labels, int batch, Span<float> gradient, Span<double> sums)
    {
        float scale = 1f / batch;
        for (int example = 0; example < batch; example++)
        {
            float z = outputs[example], y = labels[example];
            float decay = MathF.Exp(-MathF.Abs(z));
            sums[0] += Math.Log(1 + (double)decay) + MathF.Max(z, 0) - z * y;
            if (z > 0 == y > 0.5f) sums[1]++;
            if (gradient.IsEmpty) continue;
            float probability = z >= 0 ? 1 / (1 + decay) : decay / (1 + decay);
            gradient[example] = (probability - y) * scale;
        }
    }
}

/// <summary>Mean over all outputs of (prediction - label)². The second sum is the mean absolute error.</summary>
internal sealed class MeanSquaredErrorLoss(int width) : Loss
{
    public override int SumCount => 2;

    public override void Evaluate(ReadOnlySpan<float> outputs, ReadOnlySpan<float> labels, int batch, Span<float> gradient, Span<double> sums)
    {
        float scale = 2f / (batch * width);
        double squares = 0, magnitudes = 0;
        for (int i = 0; i < batch * width; i++)
        {
            float error = outputs[i] - labels[i];
            squares += (double)error * error;
            magnitudes += Math.Abs(error);
            if (!gradient.IsEmpty) gradient[i] = scale * error;
        }

        sums[0] += squares / width;
        sums[1] += magnitudes / width;
    }
}
