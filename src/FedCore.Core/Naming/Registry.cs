using FedCore.Aggregation;
using FedCore.Aggregation.Robust;
using FedCore.Compression.Formats;
using FedCore.Compression.Sparsifiers;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Optimizers;
using FedCore.Rounds.Selection;
using FedCore.Rounds.Staleness;
using FedCore.Strategies;
using FedCore.Strategies.Schedules;
using FedCore.Strategies.Server;
using FedCore.Strategies.Statistics;
using FedCore.Updates;

namespace FedCore.Naming;

/// <summary>
/// What a run file can name: for each kind (layer, loss, strategy, ...) the types that may stand there, by their <c>type</c>. A type's public
/// settable properties are its parameters in the file.
/// </summary>
public sealed class Registry
{
    private readonly Dictionary<Type, SortedDictionary<string, Type>> _kinds = [];
    private readonly Dictionary<string, string> _otherNames = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>A registry that holds what FedCore's core brings along.</summary>
    /// <returns>A new registry, to which a program may add its own.</returns>
    public static Registry CreateDefault() => new Registry()
        .Register<LayerSpec, LinearSpec>("linear")
        .Register<LayerSpec, Conv2dSpec>("conv2d")
        .Register<LayerSpec, MaxPool2dSpec>("maxPool2d")
        .Register<LayerSpec, AveragePool2dSpec>("averagePool2d")
        .Register<LayerSpec, FlattenSpec>("flatten")
        .Register<LayerSpec, ReluSpec>("relu")
        .Register<LayerSpec, TanhSpec>("tanh")
        .Register<LayerSpec, SigmoidSpec>("sigmoid")
        .Register<LayerSpec, GeluSpec>("gelu")
        .Register<LayerSpec, DropoutSpec>("dropout")
        .Register<LayerSpec, BatchNormSpec>("batchNorm")
        .Register<LayerSpec, LayerNormSpec>("layerNorm")
        .Register<LayerSpec, GroupNormSpec>("groupNorm")
        .Register<LayerSpec, EmbeddingSpec>("embedding")
        .Register<LayerSpec, LstmSpec>("lstm")
        .Register<LayerSpec, AttentionSpec>("attention")
        .Register<LayerSpec, ResidualSpec>("residual")
        .Register<LossSpec, SoftmaxCrossEntropySpec>("softmaxCrossEntropy")
        .Register<LossSpec, BinaryCrossEntropySpec>("binaryCrossEntropy")
        .Register<LossSpec, MeanSquaredErrorSpec>("meanSquaredError")
        .Register<OptimizerSpec, SgdSpec>("sgd")
        .Register<OptimizerSpec, AdamSpec>("adam")
        .Register<ILearningRateSchedule, StepSchedule>("step")
        .Register<ILearningRateSchedule, ExponentialSchedule>("exponential")
        .Register<ILearningRateSchedule, CosineSchedule>("cosine")
        .Register<IStrategy, FedAvg>("fedavg")
        .Register<IStrategy, FedProx>("fedprox")
        .Register<IStrategy, Scaffold>("scaffold")
        .Register<IStrategy, FedNova>("fednova")
        .Register<IStrategy, FedDyn>("feddyn")
        .Register<IStrategy, QFedAvg>("qfedavg")
        .Register<IStrategy, FederatedStatistics>("statistics")
        .Register<IServerOptimizer, ServerAverage>("average")
        .Register<IServerOptimizer, ServerMomentum>("momentum")
        .Register<IServerOptimizer, ServerAdagrad>("adagrad")
        .Register<IServerOptimizer, ServerAdam>("adam")
        .Register<IServerOptimizer, ServerYogi>("yogi")
        .Register<IAggregator, WeightedMean>("weightedMean")
        .Register<IAggregator, CoordinateMedian>("median")
        .Register<IAggregator, TrimmedMean>("trimmedMean")
        .Register<IAggregator, Krum>("krum")
        .Register<IAggregator, MultiKrum>("multiKrum")
        .Register<IAggregator, Bulyan>("bulyan")
        .Register<IAggregator, GeometricMedian>("geometricMedian")
        .Register<IAggregator, NormClipping>("normClipping")
        .Register<IUpdateTransform, TopK>("topK")
        .Register<IUpdateTransform, RandomK>("randomK")
        .Register<IUpdateTransform, Float16>("float16")
        .Register<IUpdateTransform, BFloat16>("bfloat16")
        .Register<IUpdateTransform, Int8>("int8")
        .Register<IUpdateTransform, Int4>("int4")
        .Register<ICohortSelection, AllClients>("all")
        .Register<ICohortSelection, UniformSelection>("uniform")
        .Register<ICohortSelection, PoissonSelection>("poisson")
        .Register<ICohortSelection, RoundRobinSelection>("roundRobin")
        .Register<ICohortSelection, TieredSelection>("tiered")
        .Register<ICohortSelection, UtilitySelection>("utility")
        .Register<IStalenessWeighting, PolynomialStaleness>("polynomial")
        .Register<IStalenessWeighting, ConstantStaleness>("constant")
        .Explain("rfa", "It is {\"type\": \"geometricMedian\"}.")
        .Explain("tifl", "It is {\"type\": \"tiered\"}.")
        .Explain("oort", "It is {\"type\": \"utility\"}.")
        .Explain("fedbuff", "It is any strategy, such as fedavg, with \"rounds\": {\"buffer\": {\"size\": 10}}.")
        .Explain("fedavgm", Composed("momentum"))
        .Explain("fedadagrad", Composed("adagrad"))
        .Explain("fedadam", Composed("adam"))
        .Explain("fedyogi", Composed("yogi"));

    /// <summary>The kinds that have names, in the order in which they were first registered.</summary>
    public IEnumerable<Type> Kinds => _kinds.Keys;

    /// <summary>What to say of names that the field uses, but no type has.</summary>
    public IReadOnlyDictionary<string, string> OtherNames => _otherNames;

    /// <summary>Gives a type its name.</summary>
    /// <typeparam name="TKind">The kind, such as <see cref="IStrategy"/>.</typeparam>
    /// <typeparam name="T">The type; it needs a public constructor without parameters.</typeparam>
    /// <param name="name">The value of <c>type</c> in a run file.</param>
    /// <returns>This registry.</returns>
    /// <exception cref="ArgumentException">The name or the type stands in the registry already.</exception>
    public Registry Register<TKind, T>(string name)
        where T : class, TKind
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (!_kinds.TryGetValue(typeof(TKind), out SortedDictionary<string, Type>? names))
            _kinds[typeof(TKind)] = names = new SortedDictionary<string, Type>(StringComparer.Ordinal);
        if (names.ContainsValue(typeof(T))) throw new NameTakenException($"{typeof(T)} has a name already.", nameof(name));
        if (!names.TryAdd(name, typeof(T))) throw new NameTakenException($"'{name}' names {names[name]} already.", nameof(name));
        return this;
    }

    /// <summary>Says what to write in place of a name that the field uses, but no type has.</summary>
    /// <param name="name">The name.</param>
    /// <param name="text">The sentence that answers it.</param>
    /// <returns>This registry.</returns>
    public Registry Explain(string name, string text)
    {
        _otherNames.Add(name, text);
        return this;
    }

    /// <summary>The names of a kind, sorted.</summary>
    /// <param name="kind">The kind.</param>
    /// <returns>Name and type; empty for a kind without names.</returns>
    public IReadOnlyDictionary<string, Type> NamesOf(Type kind) =>
        _kinds.TryGetValue(kind, out SortedDictionary<string, Type>? names) ? names : EmptyNames;

    /// <summary>The name under which an object's type is registered.</summary>
    /// <typeparam name="TKind">The kind.</typeparam>
    /// <param name="value">The object.</param>
    /// <returns>The name.</returns>
    /// <exception cref="ArgumentException">Its type has no name.</exception>
    public string NameOf<TKind>(TKind value) where TKind : class
    {
        ArgumentNullException.ThrowIfNull(value);
        foreach ((string name, Type type) in NamesOf(typeof(TKind)))
            if (type == value.GetType()) return name;
        throw new ArgumentException($"{value.GetType()} is not registered as {typeof(TKind).Name}.", nameof(value));
    }

    private static readonly SortedDictionary<string, Type> EmptyNames = [];

    private static string Composed(string server) => $"It is {{\"type\": \"fedavg\", \"server\": {{\"type\": \"{server}\"}}}}.";
}

/// <summary>A name, or a type that was to have one, stands in a registry already.</summary>
internal sealed class NameTakenException(string reason, string parameter) : ArgumentException(reason, parameter)
{
    /// <summary>The sentence without the parameter's name.</summary>
    public string Reason { get; } = reason;
}
