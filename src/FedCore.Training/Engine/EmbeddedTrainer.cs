using System.Numerics.Tensors;
using FedCore.Models;
using FedCore.Numerics;
using FedCore.Optimizers;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Training.Data;
using FedCore.Training.Privacy;
using FedCore.Updates;

namespace FedCore.Training.Engine;

/// <summary>The engine in pure C#: no native library, the same bits on every machine with fused multiply-add.</summary>
/// <param name="engine">Layers, losses and optimizers.</param>
public sealed class EmbeddedTrainer(EngineRegistry engine) : ITrainer
{
    /// <summary>How many examples are evaluated at a time.</summary>
    internal const int EvaluationBatch = 64;

    private readonly EngineRegistry _engine = engine ?? throw new ArgumentNullException(nameof(engine));

    /// <summary>The engine with the standard layers, losses and optimizers.</summary>
    public EmbeddedTrainer()
        : this(EngineRegistry.CreateDefault())
    {
    }

    /// <inheritdoc/>
    public bool HidesExamples => true;

    /// <inheritdoc/>
    public ITrainingWorkspace CreateWorkspace(RunPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return new Workspace(plan, _engine);
    }

    /// <summary>For how many examples at once a site's network has room.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="batchSize">Examples per batch; 0 for all.</param>
    /// <param name="examples">Examples at the site.</param>
    internal static int CapacityFor(RunPlan plan, int batchSize, int examples) => Math.Max(EvaluationBatch, TrainedAtOnce(plan, batchSize, examples));

    /// <summary>How many examples are computed at once in training, at most.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="batchSize">Examples per batch; 0 for all.</param>
    /// <param name="examples">Examples at the site.</param>
    internal static int TrainedAtOnce(RunPlan plan, int batchSize, int examples)
    {
        if (plan.Privacy?.BatchRate is not { } rate) return batchSize == 0 ? examples : Math.Min(batchSize, examples);

        // Hardly any batch is larger.
        double expected = rate * examples;
        return (int)Math.Min(Math.Min(ExampleShield.MostTogether, examples), Math.Ceiling(expected + 6 * Math.Sqrt(expected)));
    }

    private sealed class Workspace : ITrainingWorkspace, IClientContext
    {
        private readonly RunPlan _plan;
        private readonly FlatVector _buffer;
        private readonly LocalModel _model;
        private readonly Update _update;
        private readonly Update _evaluation;
        private readonly ShuffledBatches _batches = new();
        private TrainTask? _task;
        private IClientState? _state;
        private ExampleView _examples = null!;
        private bool _tookMean;

        // The global model that was loaded last. The round alone does not name it: a round is evaluated behind its end, when the model has moved.
        private (ModelState Model, int Round, bool ForTraining)? _loaded;

        public Workspace(RunPlan plan, EngineRegistry engine)
        {
            _plan = plan;
            UpdateLayout layout = plan.TrainLayout;

            // Where the model's section begins the update, the model is trained in the update's own memory; what is the client's own lies behind it.
            (Section section, long offset) = layout.Find(Section.Model);
            long length = LocalModel.LengthOf(plan.Model.Schema);
            bool inPlace = offset == 0 && section.Length == plan.Model.Schema.TrainableCount && (section.Length == length || section.Length == layout.VectorLength);
            _buffer = new FlatVector(inPlace ? Math.Max(length, layout.VectorLength) : layout.VectorLength);
            _model = new LocalModel(plan, engine, inPlace ? _buffer : new FlatVector(length));
            _update = new Update(layout, _buffer);
            _evaluation = new Update(plan.EvaluateLayout, new FlatVector(0));
        }

        public long? Batches => _model.Batches;

        public ClientTask Task => _task!.Work;

        public long ExampleCount { get; private set; }

        public int Steps { get; private set; }

        public FlatVector Global => _task!.Model.Trainable;

        public RunDefinition Run => _plan.Definition;

        public ILocalModel Model => _plan.Privacy is not { IsAtSites: true, BatchRate: null } ? _model : throw FedCoreException.Configuration(
            "privacy.composition", $"The strategy {_plan.Definition.Strategy.GetType().Name} said that it takes a mean over the site's examples ({nameof(IStrategy.TakesExampleMeans)}), and trains nevertheless, which no noise protects.");

        public OptimizerSpec Optimizer => _plan.Definition.Training.Optimizer;

        public IClientState State => _plan.Definition.Strategy.KeepsClientState ? _state! : throw new InvalidOperationException(
            $"The strategy {_plan.Definition.Strategy.GetType().Name} keeps a state at its clients without saying so. Let {nameof(IStrategy.KeepsClientState)} be true.");

        public FlatVector Broadcast(string name) => _task!.Broadcasts.TryGetValue(name, out FlatVector? vector) ? vector : throw new ArgumentException(
            $"The server sends no vector '{name}' along with the model. Name it among the strategy's {nameof(IStrategy.Broadcasts)}.", nameof(name));

        public double EvaluateLoss() => _plan.Privacy is not { IsAtSites: true } ? _model.MeanLoss(_examples) : throw FedCoreException.Configuration(
            "privacy.composition", $"The strategy {_plan.Definition.Strategy.GetType().Name} takes the loss over a site's examples, which no noise protects. Use another, such as fedavg.");

        public void WriteExampleMean(ExampleMap map, Span<float> mean)
        {
            ArgumentNullException.ThrowIfNull(map);
            if (!_plan.Definition.Strategy.TakesExampleMeans || _tookMean) throw new InvalidOperationException(
                $"The strategy {_plan.Definition.Strategy.GetType().Name} {(_tookMean ? "takes a second mean in one task" : $"takes a mean over the site's examples without saying so. Let {nameof(IStrategy.TakesExampleMeans)} be true")}.");
            _tookMean = true;
            ExampleMean.Write(_examples, map, _plan.Privacy is { IsAtSites: true } privacy ? privacy : null, _task!.PrivateRandom, mean);
        }

        public async ValueTask<Update> TrainAsync(TrainTask task, string site, ClientData data, int steps, IClientState state, CancellationToken ct)
        {
            ExampleView examples = data.Train;
            ClientTask work = task.Work;
            (_task, _state, _examples, ExampleCount, Steps) = (task, state, examples, examples.Count, steps);
            _tookMean = false;
            Load(task);
            LoadOwn(task, state);
            Network network = _model.NetworkFor(CapacityFor(_plan, work.BatchSize, examples.Count));
            using ExampleShield? shield = _plan.Privacy is { BatchRate: not null } hiding ? new ExampleShield(hiding, examples.Count, _model.Gradients.Length, steps, task.PrivateRandom) : null;
            RandomStream? random = network.UsesRandom && shield is null ? _plan.Random.Stream("dropout", task.Round, site) : null;
            _model.Begin(examples, shield?.Batches ?? Order(task, site, data), random, shield);
            _update.Reset();
            await _plan.Definition.Strategy.CreateClientAlgorithm(work).RunAsync(this, _update, ct).ConfigureAwait(false);
            WriteBuffers(task.Model.Buffers);
            KeepOwn(task.Model, state);
            _update.Complete();
            if (_plan.Privacy is { IsAtSites: false } privacy) Clip(privacy.Policy.Clip);
            return _update;
        }

        public Update Evaluate(EvaluateTask task, string site, ClientData data, IClientState state)
        {
            Load(task);
            LoadOwn(task, state);
            _model.NetworkFor(EvaluationBatch);
            if (task.FineTune is { } tuning && data.Train.Count > 0) FineTune(tuning, task.Round, site, data);
            _evaluation.Reset();
            foreach (DataSplit split in task.Splits)
                _model.Evaluate(split == DataSplit.Test ? data.Test : data.Train, MetricLayout.Prefix(split), _evaluation);
            _evaluation.Complete();
            return _evaluation;
        }

        public void Dispose()
        {
            _model.Dispose();
            _model.Parameters.Dispose();
            _buffer.Dispose();
            _evaluation.Values.Dispose();
        }

        // When a client's update was read, the parameters are those of the global model again, unless its strategy formed the change against another.
        private void Load(SiteTask task)
        {
            bool trains = task is TrainTask;
            (ModelState, int, bool) wanted = (task.Model, task.Round, trains);
            FlatVector global = task.Model.Trainable;
            if (_loaded != wanted || (trains && !ReferenceEquals(_update.Restored, global))) _model.Parameters.CopyFrom(global, global.Length);
            _loaded = wanted;
        }

        // What is not trained, and what is the client's own, changes from client to client.
        private void LoadOwn(SiteTask task, IClientState state)
        {
            ModelState model = task.Model;
            _model.Buffers.CopyFrom(model.Buffers, model.Buffers.Length);
            if (model.Local.Length > 0) VectorBlocks.Copy(OwnParameters(model, state), 0, _model.Parameters, model.Trainable.Length, model.Local.Length);
            if (model.LocalBuffers.Length > 0) VectorBlocks.Copy(OwnBuffers(model, state), 0, _model.Buffers, model.Buffers.Length, model.LocalBuffers.Length);
        }

        private void KeepOwn(ModelState model, IClientState state)
        {
            if (model.Local.Length > 0) VectorBlocks.Copy(_model.Parameters, model.Trainable.Length, OwnParameters(model, state), 0, model.Local.Length);
            if (model.LocalBuffers.Length > 0) VectorBlocks.Copy(_model.Buffers, model.Buffers.Length, OwnBuffers(model, state), 0, model.LocalBuffers.Length);
        }

        private static FlatVector OwnParameters(ModelState model, IClientState state) => state.Vector("own-parameters", model.Local.Length, model.Local);

        private static FlatVector OwnBuffers(ModelState model, IClientState state) => state.Vector("own-buffers", model.LocalBuffers.Length, model.LocalBuffers);

        private void WriteBuffers(FlatVector global)
        {
            foreach ((long offset, int count) in VectorBlocks.Of(global.Length))
                TensorPrimitives.Subtract(_model.Buffers.Slice(offset, count), global.Slice(offset, count), _update.Vector(Section.Buffers, offset, count));
        }

        private void Clip(double most)
        {
            bool isClipped = _update.ClipModel(Task.UpdateClip ?? most);
            if (_update.Layout.Has(Section.Unclipped)) _update.Scalar(Section.Unclipped) = isClipped ? -0.5 : 0.5;
        }

        private IBatchOrder Order(TrainTask task, string site, ClientData data)
        {
            if (data.Batches is { } given) return given(task.Round);
            _batches.Reset(data.Train.Count, task.Work.BatchSize, _plan.Random.Stream("batches", task.Round, site));
            return _batches;
        }

        // The parameters are the client's own behind it.
        private void FineTune(FineTuning tuning, int round, string site, ClientData data)
        {
            TrainingPlan training = _plan.Definition.Training;
            int batch = training.BatchSize == 0 ? data.Train.Count : Math.Min(training.BatchSize, data.Train.Count);
            Network network = _model.NetworkFor(Math.Max(EvaluationBatch, batch));
            _batches.Reset(data.Train.Count, batch, _plan.Random.Stream("fine-tuning batches", round, site));
            _model.Begin(data.Train, _batches, network.UsesRandom ? _plan.Random.Stream("fine-tuning dropout", round, site) : null);
            float rate = (float)(tuning.LearningRate ?? training.LearningRate);
            for (int steps = tuning.Work.StepsFor(data.Train.Count, batch); steps > 0; steps--) _model.TrainStep(rate);
            _loaded = null;
        }
    }
}
