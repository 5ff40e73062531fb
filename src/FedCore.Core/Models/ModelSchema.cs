namespace FedCore.Models;

/// <summary>The tensors of a model in their fixed order. The trainable ones lie one behind the other in a flat vector.</summary>
public sealed class ModelSchema
{
    /// <summary>In a checkpoint, what a strategy keeps stands under this prefix, beside the model's tensors.</summary>
    internal const string ReservedPrefix = "strategy/";

    private readonly Dictionary<string, TensorSchema> _byName;

    /// <summary>Lays tensors out in the order given.</summary>
    /// <param name="tensors">Name, shape, type and role of each.</param>
    /// <exception cref="FedCoreException">Two tensors share a name, one has a reserved name, or a trainable one is not F32 (<c>model.schema</c>).</exception>
    public ModelSchema(IEnumerable<(string Name, Shape Shape, TensorType Type, TensorRole Role)> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        var list = new List<TensorSchema>();
        _byName = new Dictionary<string, TensorSchema>(StringComparer.Ordinal);
        long trainable = 0;
        foreach ((string name, Shape shape, TensorType type, TensorRole role) in tensors)
        {
            bool isTrainable = role == TensorRole.Trainable;
            if (isTrainable && type != TensorType.F32)
            {
                throw FedCoreException.Configuration("model.schema", $"Tensor '{name}' is {type}: only F32 tensors can be trained. Mark it frozen or convert it.");
            }

            if (name.StartsWith(ReservedPrefix, StringComparison.Ordinal))
                throw FedCoreException.Configuration("model.schema", $"Tensor '{name}': names that begin with {ReservedPrefix} are a strategy's. Give the layer another name.");
            var tensor = new TensorSchema(name, shape, type, role, isTrainable ? trainable : 0);
            if (!_byName.TryAdd(name, tensor))
                throw FedCoreException.Configuration("model.schema", $"Two tensors are called '{name}'. Give their layers different names.");
            list.Add(tensor);
            if (isTrainable) trainable = checked(trainable + tensor.Length);
        }

        Tensors = list;
        TrainableCount = trainable;
    }

    /// <summary>All tensors, in order.</summary>
    public IReadOnlyList<TensorSchema> Tensors { get; }

    /// <summary>Number of trainable elements: the length of the flat vector.</summary>
    public long TrainableCount { get; }

    /// <summary>Looks a tensor up.</summary>
    /// <param name="name">Its full name.</param>
    /// <returns>The tensor, or null.</returns>
    public TensorSchema? Find(string name) => _byName.GetValueOrDefault(name);
}
