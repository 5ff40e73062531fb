namespace FedCore.Models;

/// <summary>The tensors of a model in their fixed order. Those of a role, but for frozen ones, lie one behind the other in a flat vector.</summary>
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
        var counts = new Dictionary<TensorRole, long>();
        foreach ((string name, Shape shape, TensorType type, TensorRole role) in tensors)
        {
            if (role == TensorRole.Trainable && type != TensorType.F32)
            {
                throw FedCoreException.Configuration("model.schema", $"Tensor '{name}' is {type}: only F32 tensors can be trained. Mark it frozen or convert it.");
            }

            if (name.StartsWith(ReservedPrefix, StringComparison.Ordinal))
                throw FedCoreException.Configuration("model.schema", $"Tensor '{name}': names that begin with {ReservedPrefix} are a strategy's. Give the layer another name.");
            long before = counts.GetValueOrDefault(role);
            var tensor = new TensorSchema(name, shape, type, role, IsFlat(type, role) ? before : 0);
            if (!_byName.TryAdd(name, tensor))
                throw FedCoreException.Configuration("model.schema", $"Two tensors are called '{name}'. Give their layers different names.");
            list.Add(tensor);
            if (IsFlat(type, role)) counts[role] = checked(before + tensor.Length);
        }

        Tensors = list;
        TrainableCount = counts.GetValueOrDefault(TensorRole.Trainable);
        LocalCount = counts.GetValueOrDefault(TensorRole.Local);
        BufferCount = counts.GetValueOrDefault(TensorRole.Buffer);
        LocalBufferCount = counts.GetValueOrDefault(TensorRole.LocalBuffer);
    }

    /// <summary>All tensors, in order.</summary>
    public IReadOnlyList<TensorSchema> Tensors { get; }

    /// <summary>Number of elements that are trained and averaged: the length of their flat vector.</summary>
    public long TrainableCount { get; }

    /// <summary>Number of elements that are trained and stay at the site.</summary>
    public long LocalCount { get; }

    /// <summary>Number of elements that are averaged, but not trained.</summary>
    public long BufferCount { get; }

    /// <summary>Number of elements that are neither trained nor leave the site.</summary>
    public long LocalBufferCount { get; }

    /// <summary>Whether each client has elements of its own.</summary>
    public bool KeepsClientState => LocalCount + LocalBufferCount > 0;

    /// <summary>Looks a tensor up.</summary>
    /// <param name="name">Its full name.</param>
    /// <returns>The tensor, or null.</returns>
    public TensorSchema? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Whether a tensor is a part of its role's flat vector.</summary>
    internal static bool IsFlat(TensorType type, TensorRole role) => type == TensorType.F32 && role != TensorRole.Frozen;
}
