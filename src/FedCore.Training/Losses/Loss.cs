using System.Numerics.Tensors;
using System.Runtime.Intrinsics;
using FedCore.Training.Tensors;

namespace FedCore.Training.Losses;

/// <summary>The arithmetic of a loss for whole batches.</summary>
public abstract class Loss
{
    /// <summary>Number of sums beside the examples: the loss first, then the loss's own metrics in their declared order.</summary>
    public abstract int SumCount { get; }

    /// <summary>Adds up the losses and metrics of a batch and, where it is wanted, computes the gradient of the batch's mean loss.</summary>
    /// <param name="outputs">The model's outputs, [batch, width]. Like a layer's, the memory has room for three more rows and 64 readable bytes behind.</param>
    /// <param name="labels">The labels, [batch, label width].</param>
    /// <param name="batch">Number of examples, at least 1.</param>
    /// <param name="gradient">Receives the gradient, [batch, width], with room for three more rows; empty where it is not wanted. It may be the memory of the
    /// outputs.</param>
    /// <param name="sums">The sums, to be added to.</param>
    public abstract void Evaluate(ReadOnlySpan<float> outputs, ReadOnlySpan<float> labels, int batch, Span<float> gradient, Span<double> sums);

    /// <summary>The same with each example's gradient of its own loss: the very numbers that it has in a batch of one, whichever others are there.</summary>
    /// <param name="outputs">The model's outputs, [batch, width], with room for three more rows.</param>
    /// <param name="labels">The labels, [batch, label width].</param>
    /// <param name="batch">Number of examples, at least 1.</param>
    /// <param name="gradient">Receives the gradients, [batch, width], with room for three more rows.</param>
    /// <param name="sums">The sums, to be added to.</param>
    public virtual void EvaluateApart(ReadOnlySpan<float> outputs, ReadOnlySpan<float> labels, int batch, Span<float> gradient, Span<double> sums)
    {
        int width = outputs.Length / (batch + Transpose.ExtraRows), labelWidth = labels.Length / batch;
        for (int example = 0; example < batch; example++)
            Evaluate(outputs.Slice(example * width, (1 + Transpose.ExtraRows) * width), labels.Slice(example * labelWidth, labelWidth), 1, gradient.Slice(example * width, (1 + Transpose.ExtraRows) * width), sums);
    }
}

/// <summary>
/// Softmax and cross-entropy: -log p(label), with the gradient p - onehot(label). The second sum counts right answers. With several tokens an example's loss is
/// the mean over them, and it counts as right by the share of them that are.
/// </summary>
/// <remarks>The classes of one token are too few for vectors, so there is one row per class with the tokens of the batch as lanes. Each number is
/// computed in one lane, so it has the same bits in any batch and for any vector width.</remarks>
internal sealed unsafe class SoftmaxCrossEntropyLoss(int classes, int tokens) : Loss
{
    private static int Lanes => Vector512<float>.Count;

    public override int SumCount => 2;

    public override void Evaluate(ReadOnlySpan<float> outputs, ReadOnlySpan<float> labels, int batch, Span<float> gradient, Span<double> sums) =>
        Run(outputs, labels, batch, 1f / (batch * tokens), gradient, sums);

    public override void EvaluateApart(ReadOnlySpan<float> outputs, ReadOnlySpan<float> labels, int batch, Span<float> gradient, Span<double> sums) =>
        Run(outputs, labels, batch, 1f / tokens, gradient, sums);

    private void Run(ReadOnlySpan<float> outputs, ReadOnlySpan<float> labels, int batch, float scale, Span<float> gradient, Span<double> sums)
    {
        int rows = batch * tokens, room = (batch + Transpose.ExtraRows) * tokens * classes;
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs.Length, room, nameof(outputs));
        if (!gradient.IsEmpty) ArgumentOutOfRangeException.ThrowIfLessThan(gradient.Length, room, nameof(gradient));
        int pitch = (rows + Lanes - 1) / Lanes * Lanes, count = checked((classes + Transpose.ExtraRows) * pitch);
        float* powers = Scratch.Panel(count + 3L * pitch), totals = powers + count, largests = totals + pitch, answers = largests + pitch;
        fixed (float* logits = outputs) Transpose.Run(logits, classes, rows, classes, powers, pitch, pitch);
        for (int lane = 0; lane < rows; lane += Lanes) SubtractLargest(powers + lane, pitch, largests + lane, answers + lane);
        var all = new Span<float>(powers, classes * pitch);
        TensorPrimitives.Exp(all, all);
        for (int lane = 0; lane < rows; lane += Lanes) Normalize(powers + lane, pitch, totals + lane, scale);
        var logs = new Span<float>(totals, pitch);
        TensorPrimitives.Log(logs, logs);
        for (int example = 0; example < batch; example++)
        {
            double loss = 0;
            int right = 0;
            for (int row = example * tokens; row < (example + 1) * tokens; row++)
            {
                int label = (int)labels[row];
                loss += logs[row] - (outputs[row * classes + label] - largests[row]);
                if (answers[row] == label) right++;
            }

            sums[0] += loss / tokens;
            sums[1] += (double)right / tokens;
        }

        if (gradient.IsEmpty) return;
        fixed (float* target = gradient) Transpose.Run(powers, pitch, classes, rows, target, classes, classes);
        for (int row = 0; row < rows; row++) gradient[row * classes + (int)labels[row]] -= scale;
    }

    // The answer is the first of the largest; -1, which is no class, where the first logit is not a number.
    private void SubtractLargest(float* logits, int pitch, float* largests, float* answers)
    {
        Vector512<float> largest = Vector512.Load(logits);
        Vector512<float> answer = Vector512.ConditionalSelect(Vector512.Equals(largest, largest), Vector512<float>.Zero, Vector512.Create(-1f));
        for (int i = 1; i < classes; i++)
        {
            Vector512<float> logit = Vector512.Load(logits + i * pitch), isLarger = Vector512.GreaterThan(logit, largest);
            largest = Vector512.ConditionalSelect(isLarger, logit, largest);
            answer = Vector512.ConditionalSelect(isLarger, Vector512.Create((float)i), answer);
        }

        largest.Store(largests);
        answer.Store(answers);
        for (int i = 0; i < classes; i++) (Vector512.Load(logits + i * pitch) - largest).Store(logits + i * pitch);
    }

    private void Normalize(float* powers, int pitch, float* totals, float scale)
    {
        Vector512<float> total = Vector512<float>.Zero;
        for (int i = 0; i < classes; i++) total += Vector512.Load(powers + i * pitch);
        total.Store(totals);
        Vector512<float> factor = Vector512.Create(scale) / total;
        for (int i = 0; i < classes; i++) (Vector512.Load(powers + i * pitch) * factor).Store(powers + i * pitch);
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
