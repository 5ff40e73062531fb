namespace FedCore.Models;

/// <summary>A tensor that a layer declares.</summary>
/// <param name="Name">Its name within the layer, such as <c>kernel</c>.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Initializer">How its first values are drawn.</param>
/// <param name="Role">What a run does with it.</param>
public sealed record TensorSpec(string Name, Shape Shape, Initializer Initializer, TensorRole Role = TensorRole.Trainable);
