namespace FedCore.Models;

/// <summary>What happens to a tensor in a federated run. Only <see cref="Trainable"/> tensors enter an update.</summary>
public enum TensorRole
{
    /// <summary>Trained at the clients and averaged.</summary>
    Trainable,

    /// <summary>Part of the model, never changed by a run.</summary>
    Frozen,

    /// <summary>State that is not trained, such as a running mean.</summary>
    Buffer,

    /// <summary>Trained, but never leaves the site.</summary>
    Local,
}
