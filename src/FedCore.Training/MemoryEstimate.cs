using FedCore.Compression.Sparsifiers;
using FedCore.Models;
using FedCore.Optimizers;
using FedCore.Rounds;
using FedCore.Training.Data;
using FedCore.Training.Engine;
using FedCore.Updates;

namespace FedCore.Training;

/// <summary>
/// How many bytes a client's task takes with the embedded engine, as far as run and examples say beforehand: vectors, activations and examples, without what the program
/// itself needs. Layers and optimizers that a program adds of its own are taken for the largest of the standard ones.
/// </summary>
/// <param name="Model">The model as it was received, what the strategy sends along, and what the client keeps from round to round.</param>
/// <param name="Training">The model in training, its gradients, the optimizer's state, and the activations of a batch.</param>
/// <param name="Update">What an update holds beside the model in training, and its bytes.</param>
/// <param name="Examples">The examples.</param>
public sealed record MemoryEstimate(long Model, long Training, long Update, long Examples)
{
    /// <summary>All of it.</summary>
    public long Total => Model + Training + Update + Examples;

    /// <summary>Estimates a run's training and evaluation at one client.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="data">The client's examples.</param>
    /// <returns>The estimate.</returns>
    public static MemoryEstimate Of(RunPlan plan, ClientData data)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(data);
        ModelSchema schema = plan.Model.Schema;
        long vector = schema.TrainableCount * sizeof(float), trained = LocalModel.LengthOf(schema) * sizeof(float);
        long buffers = (schema.BufferCount + schema.LocalBufferCount) * sizeof(float), own = (schema.LocalCount + schema.LocalBufferCount) * sizeof(float);
        long kept = own + (plan.Definition.Strategy.KeepsClientState ? vector : 0) + (plan.Codec is { KeepsClientState: true } ? vector : 0);
        long model = trained + buffers + vector * plan.Definition.Strategy.Broadcasts.Count + kept;

        int batchSize = plan.Definition.Training.BatchSize, batch = EmbeddedTrainer.TrainedAtOnce(plan, batchSize, data.Train.Count), capacity = EmbeddedTrainer.CapacityFor(plan, batchSize, data.Train.Count);
        long training = trained * (2 + StatesOf(plan.Definition.Training.Optimizer)) + buffers + sizeof(float) * WorkingMemory.Of(plan.Model.Layers, capacity, batch);

        // Where examples are hidden, gradients are added up as whole numbers of 64 bits.
        if (plan.Privacy?.BatchRate is not null) training += trained / sizeof(float) * sizeof(long);

        // Where nothing else is sent, the update is the model in training.
        long update = Math.Max(0, plan.TrainLayout.VectorLength * sizeof(float) - trained) + plan.UpdateBytes + CopiesOf(plan);
        return new MemoryEstimate(model, training, update, ExamplesOf(data));
    }

    // Vectors as long as the model that an optimizer keeps.
    private static int StatesOf(OptimizerSpec optimizer) => optimizer switch
    {
        SgdSpec { Momentum: 0 } => 0,
        SgdSpec => 1,
        _ => 2,
    };

    // To choose some of the numbers, all of them are put side by side.
    private static long CopiesOf(RunPlan plan)
    {
        if (!plan.Definition.Transforms.OfType<ISparsifier>().Any()) return 0;
        Section section = plan.TrainLayout.Find(Section.Model).Section;
        return section.Length * sizeof(float) + plan.Definition.Transforms.OfType<ISparsifier>().Sum(sparsifier => sparsifier.CountOf(section.Length)) * sizeof(long);
    }

    // Training and test examples may lie in one set; each has its places in it, and training the order of its batches.
    private static long ExamplesOf(ClientData data)
    {
        long sets = data.Train.Set.ByteLength + (ReferenceEquals(data.Train.Set, data.Test.Set) ? 0 : data.Test.Set.ByteLength);
        return sets + sizeof(int) * (2L * data.Train.Count + data.Test.Count);
    }
}
