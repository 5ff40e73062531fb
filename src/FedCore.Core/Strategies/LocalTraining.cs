using System.Collections.Concurrent;
using System.Numerics.Tensors;
using System.Reflection;
using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Strategies;

/// <summary>
/// The standard local-training loop: batches, gradients, steps, and the weighted change of the model as the update. A strategy that trains differently
/// overrides <see cref="CorrectGradient"/>, which sits between gradient and step; one that sends something else overrides <see cref="WriteChange"/>. Nobody
/// needs a loop of their own.
/// </summary>
public class LocalTraining : IClientAlgorithm
{
    private static readonly ConcurrentDictionary<Type, bool> Corrects = new();

    /// <inheritdoc/>
    public virtual ValueTask RunAsync(IClientContext context, Update update, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(update);
        ILocalModel model = context.Model;
        float learningRate = (float)context.Task.LearningRate;
        double? clipNorm = context.Task.ClipNorm;
        bool corrects = Corrects.GetOrAdd(GetType(), OverridesCorrectGradient);
        for (int step = 0; step < context.Steps; step++)
        {
            ct.ThrowIfCancellationRequested();
            if (!corrects && clipNorm is null)
            {
                model.TrainStep(learningRate);
                continue;
            }

            model.ComputeGradients();
            if (corrects) CorrectGradients(context);
            if (clipNorm is { } limit) Clip(model.Gradients, limit);
            model.Step(learningRate);
        }

        model.WriteMetrics(update);
        update.Weight = context.Task.Weighting.Of(context.ExampleCount);
        WriteChange(context, update);
        return ValueTask.CompletedTask;
    }

    /// <summary>Writes the sections behind the training, by default the model's change times the client's weight, which is set.</summary>
    /// <param name="context">The task, and the trained model.</param>
    /// <param name="update">Receives the sections.</param>
    protected virtual void WriteChange(IClientContext context, Update update)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(update);
        update.WriteModelChange(context.Global, context.Model.Parameters);
    }

    /// <summary>Changes the gradient of a batch before the step, block by block. The standard loop leaves it as it is.</summary>
    /// <param name="block">A part of the gradient with the parameters at the same place.</param>
    protected virtual void CorrectGradient(GradientBlock block)
    {
    }

    private void CorrectGradients(IClientContext context)
    {
        ILocalModel model = context.Model;
        long length = context.Global.Length;
        for (long offset = 0; offset < length; offset += VectorBlocks.BlockLength)
        {
            int count = (int)Math.Min(VectorBlocks.BlockLength, length - offset);
            CorrectGradient(new GradientBlock(
                offset, model.Gradients.Slice(offset, count), model.Parameters.Slice(offset, count), context.Global.Slice(offset, count)));
        }
    }

    private static void Clip(FlatVector gradients, double limit)
    {
        double norm = Math.Sqrt(VectorBlocks.SquaredNorm(gradients, gradients.Length));
        if (norm <= limit) return;
        float scale = (float)(limit / norm);
        for (long offset = 0; offset < gradients.Length; offset += VectorBlocks.BlockLength)
        {
            Span<float> block = gradients.Slice(offset, (int)Math.Min(VectorBlocks.BlockLength, gradients.Length - offset));
            TensorPrimitives.Multiply(block, scale, block);
        }
    }

    // A loop without a correction may fuse gradient and step, so it must know whether a derived class corrects.
    private static bool OverridesCorrectGradient(Type type)
    {
        const BindingFlags flags = BindingFlags.Instance | BindingFlags.NonPublic;
        return type.GetMethod(nameof(CorrectGradient), flags, [typeof(GradientBlock)])!.DeclaringType != typeof(LocalTraining);
    }
}

/// <summary>A block of a gradient on its way to the optimizer, and what stands at the same place.</summary>
/// <param name="offset">The block's first element in the flat vectors.</param>
/// <param name="gradient">The gradient, to be changed.</param>
/// <param name="parameters">The local parameters.</param>
/// <param name="global">The global parameters, from which the round started.</param>
public readonly ref struct GradientBlock(long offset, Span<float> gradient, ReadOnlySpan<float> parameters, ReadOnlySpan<float> global)
{
    /// <summary>The block's first element in the flat vectors.</summary>
    public long Offset { get; } = offset;

    /// <summary>The gradient, to be changed.</summary>
    public Span<float> Gradient { get; } = gradient;

    /// <summary>The local parameters.</summary>
    public ReadOnlySpan<float> Parameters { get; } = parameters;

    /// <summary>The global parameters, from which the round started.</summary>
    public ReadOnlySpan<float> Global { get; } = global;
}
