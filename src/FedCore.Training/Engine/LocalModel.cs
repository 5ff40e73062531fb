using FedCore.Models;
using FedCore.Models.Losses;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Training.Data;
using FedCore.Training.Optimizers;
using FedCore.Training.Privacy;
using FedCore.Updates;

namespace FedCore.Training.Engine;

/// <summary>A network in training on one client's examples.</summary>
internal sealed class LocalModel : ILocalModel, IDisposable
{
    private readonly RunPlan _plan;
    private readonly EngineRegistry _engine;
    private readonly Optimizer _optimizer;
    private readonly string[] _sumNames;
    private readonly double[] _sums;
    private int[] _rows = [];
    private double[] _squaredNorms = [];
    private int[] _kept = [];
    private Network? _network;
    private ExampleView _examples = null!;
    private IBatchOrder _order = null!;
    private ExampleShield? _shield;
    private RandomStream? _random;
    private long _batches;

    /// <param name="plan">The run.</param>
    /// <param name="engine">How each layer is computed.</param>
    /// <param name="parameters">Memory for the parameters that are averaged and, behind them, those that are the client's own.</param>
    public LocalModel(RunPlan plan, EngineRegistry engine, FlatVector parameters)
    {
        ModelSchema schema = plan.Model.Schema;
        ArgumentOutOfRangeException.ThrowIfLessThan(parameters.Length, LengthOf(schema), nameof(parameters));
        _plan = plan;
        _engine = engine;
        Parameters = parameters;
        Gradients = new FlatVector(LengthOf(schema));
        Buffers = new FlatVector(schema.BufferCount + schema.LocalBufferCount);
        _optimizer = engine.Create(plan.Definition.Training.Optimizer, LengthOf(schema));
        _sumNames = [.. plan.Metrics.SumNames];
        _sums = new double[_sumNames.Length];
    }

    public FlatVector Parameters { get; }

    public FlatVector Gradients { get; }

    /// <summary>What is not trained: what is averaged and, behind it, what is the client's own.</summary>
    public FlatVector Buffers { get; }

    /// <summary>How many batches were done. Any thread may ask.</summary>
    public long Batches => Volatile.Read(ref _batches);

    /// <summary>How many parameters a client trains: those that are averaged, and its own.</summary>
    public static long LengthOf(ModelSchema schema) => schema.TrainableCount + schema.LocalCount;

    /// <summary>Makes sure that batches of this size fit.</summary>
    public Network NetworkFor(int batch)
    {
        if (_network is null || _network.Capacity < batch)
        {
            _network?.Dispose();
            _network = new Network(_plan.Model, _engine, batch, Parameters, Gradients, Buffers);
            if (_network.SumCount != _sums.Length - 1)
                throw FedCoreException.Configuration("engine.metrics", $"The loss declares {_sums.Length - 2} metrics beside the loss, but sums {_network.SumCount - 1}.");
            _rows = new int[batch];
        }

        return _network;
    }

    /// <summary>Begins with another client; the random numbers are for a network that uses some. Where a shield hides the examples, all gradients are noisy.</summary>
    public void Begin(ExampleView examples, IBatchOrder order, RandomStream? random, ExampleShield? shield = null)
    {
        _examples = examples;
        _order = order;
        _random = random;
        _shield = shield;
        _optimizer.Reset();
        Array.Clear(_sums);
    }

    public void TrainStep(float learningRate)
    {
        if (_optimizer.IsPlain && _shield is null)
        {
            Differentiate(-learningRate);
        }
        else
        {
            Differentiate(0);
            Step(learningRate);
        }
    }

    public void ComputeGradients() => Differentiate(0);

    /// <summary>
    /// Takes the next batch and computes for each of its examples the squared Euclidean norm of the gradient of its own loss with respect to all
    /// parameters. <see cref="Gradients"/> are overwritten.
    /// </summary>
    /// <returns>One number for each example of the batch, valid until the next call.</returns>
    public ReadOnlySpan<double> ComputeSquaredGradientNorms()
    {
        Network network = _network!;
        int count = LoadNext(network);
        network.Forward(count, training: true, _random);
        if (_squaredNorms.Length < network.Capacity) _squaredNorms = new double[network.Capacity];
        network.BackwardNorms(count, _random, _squaredNorms, _sums.AsSpan(1));
        _sums[0] += count;
        CountBatch();
        return _squaredNorms.AsSpan(0, count);
    }

    /// <summary>Takes the next batch and sums over its examples the gradient of each one's own loss, scaled down to a norm where it is longer, into <see cref="Gradients"/>.</summary>
    /// <param name="clip">The largest Euclidean norm of an example's gradient with respect to all parameters, above 0.</param>
    /// <returns>How many examples the batch had.</returns>
    /// <exception cref="FedCoreException">A layer with parameters does not know the gradients of single examples (<c>privacy.composition</c>).</exception>
    public int ComputeClippedGradients(double clip)
    {
        ReadOnlySpan<int> places = _order.Next();
        SumClipped(_network!, Rows(places), clip);
        return places.Length;
    }

    public void Step(float learningRate) => _optimizer.Step(Parameters, Gradients, Gradients.Length, learningRate);

    public void WriteMetrics(Update update)
    {
        ArgumentNullException.ThrowIfNull(update);
        if (!update.Layout.Has(MetricLayout.Examples)) return;
        for (int i = 0; i < _sums.Length; i++) update.Scalar(_sumNames[i]) += _sums[i];
    }

    /// <summary>Adds the metric sums over examples to sections whose names begin with a prefix.</summary>
    public void Evaluate(ExampleView examples, string prefix, Update update)
    {
        Sum(examples, _sums);
        for (int i = 0; i < _sums.Length; i++) update.Scalar(MetricLayout.Name(prefix, _sumNames[i])) = _sums[i];
        if (_sums[0] == 0 || _plan.Definition.Evaluation.Distribution is not { } distribution) return;
        foreach (LossMetric share in _plan.Metrics.Shares)
        {
            double value = _sums[Array.IndexOf(_sumNames, share.Sum)] / _sums[0];
            update.Scalar(DistributionPlan.SectionOf(MetricLayout.Name(prefix, share.Mean)), distribution.BinOf(value)) = 1;
        }
    }

    /// <summary>The mean loss over examples, as in evaluation. The sums of the training so far stay what they are.</summary>
    public double MeanLoss(ExampleView examples)
    {
        Span<double> sums = stackalloc double[_sums.Length];
        Sum(examples, sums);
        return sums[1] / sums[0];
    }

    public void Dispose()
    {
        _network?.Dispose();
        _optimizer.Dispose();
        Gradients.Dispose();
        Buffers.Dispose();
    }

    private void Sum(ExampleView examples, Span<double> sums)
    {
        Network network = _network!;
        sums.Clear();
        for (int start = 0; start < examples.Count; start += network.Capacity)
        {
            ReadOnlySpan<int> rows = examples.Rows.Span.Slice(start, Math.Min(network.Capacity, examples.Count - start));
            Load(network, examples.Set, rows);
            network.Forward(rows.Length, training: false, null);
            network.Evaluate(rows.Length, sums[1..]);
            CountBatch();
        }

        sums[0] = examples.Count;
    }

    private void Differentiate(float step)
    {
        if (_shield is { } shield)
        {
            Hide(shield);
            return;
        }

        Network network = _network!;
        int count = LoadNext(network);
        network.Forward(count, training: true, _random);
        network.Backward(count, _random, step, _sums.AsSpan(1));
        _sums[0] += count;
        CountBatch();
    }

    private void CountBatch() => Volatile.Write(ref _batches, _batches + 1);

    // An example of which the gradient is not finite, or cannot be clipped, has none, and a pass without such ones follows: what is computed for the others has the same bits in any batch.
    private void SumClipped(Network network, ReadOnlySpan<int> rows, double clip)
    {
        if (_squaredNorms.Length < network.Capacity) _squaredNorms = new double[network.Capacity];
        if (_kept.Length < network.Capacity) _kept = new int[network.Capacity];
        int count = 0;
        foreach (int row in rows)
            if (!_examples.Set.CountsAsNone(row)) _kept[count++] = row;
        RandomStream[]? own = network.UsesRandom ? _shield?.CreateStreams(count) : null;
        for (bool isSummed = false; !isSummed && count > 0;)
        {
            Load(network, _examples.Set, _kept.AsSpan(0, count));
            PassRandom random = new PassRandom(_random, own).Copy();
            network.Forward(count, training: true, random);
            network.BackwardNorms(count, random, _squaredNorms, _sums.AsSpan(1));
            int finite = KeepFinite(count, own);
            isSummed = finite == count && network.BackwardClipped(count, random, clip, _squaredNorms);
            count = isSummed || finite < count ? finite : KeepFinite(count, own);
        }

        if (count == 0) Gradients.Clear();
        _sums[0] += rows.Length;
    }

    private int KeepFinite(int count, RandomStream[]? own)
    {
        int kept = 0;
        for (int i = 0; i < count; i++)
        {
            if (!double.IsFinite(_squaredNorms[i])) continue;
            (_kept[kept], _squaredNorms[kept]) = (_kept[i], _squaredNorms[i]);
            if (own is not null) own[kept] = own[i];
            kept++;
        }

        return kept;
    }

    // A batch may be of any size, also empty: it is summed in parts, which are added up as whole numbers. Parameters that are not finite have no gradients, whatever the examples are: a product with
    // them is finite or not by how many zeros the whole batch holds.
    private void Hide(ExampleShield shield)
    {
        Network network = _network!;
        shield.Begin();
        ReadOnlySpan<int> places = _order.Next();
        int most = Math.Min(network.Capacity, ExampleShield.MostTogether);
        if (!VectorBlocks.IsFinite(Parameters, Parameters.Length)) places = [];
        bool isHidden = false;
        try
        {
            for (; places.Length > most; places = places[most..])
            {
                SumClipped(network, Rows(places[..most]), shield.Clip);
                shield.Add(Gradients);
            }

            SumClipped(network, Rows(places), shield.Clip);
            shield.Release(Gradients);
            isHidden = true;
        }
        finally
        {
            // Whoever catches the error sees no sum without noise.
            if (!isHidden) Gradients.Clear();
        }

        CountBatch();
    }

    // The number of examples in the batch.
    private int LoadNext(Network network)
    {
        ReadOnlySpan<int> rows = Rows(_order.Next());
        int count = rows.Length;
        Load(network, _examples.Set, rows);
        ReadOnlySpan<int> next = _order.Peek();
        _examples.Set.Prefetch(Rows(next[..Math.Min(next.Length, _rows.Length)]));
        return count;
    }

    // The rows of the set for places in the client's view.
    private Span<int> Rows(ReadOnlySpan<int> places)
    {
        ReadOnlySpan<int> all = _examples.Rows.Span;
        Span<int> rows = _rows.AsSpan(0, places.Length);
        for (int i = 0; i < rows.Length; i++) rows[i] = all[places[i]];
        return rows;
    }

    private static void Load(Network network, ExampleSet set, ReadOnlySpan<int> rows)
    {
        set.CopyFeatures(rows, network.Inputs.Slice(0, rows.Length * network.InputLength));
        set.CopyLabels(rows, network.Labels);
    }
}
