namespace FedCore.Models;

/// <summary>One tensor of a model: what it is, and where it lies.</summary>
/// <param name="Name">Its full name, such as <c>linear0.kernel</c>, unique in the model.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Type">Its element type; trainable tensors are <see cref="TensorType.F32"/>.</param>
/// <param name="Role">What a run does with it.</param>
/// <param name="Offset">Its first element in the flat vector of its role's tensors.</param>
public sealed record TensorSchema(string Name, Shape Shape, TensorType Type, TensorRole Role, long Offset)
{
    /// <summary>Number of elements.</summary>
    public long Length { get; } = Shape.ElementCount;
}
