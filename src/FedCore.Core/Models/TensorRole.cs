namespace FedCore.Models;

/// <summary>What happens to a tensor in a federated run. Only <see cref="Trainable"/> and <see cref="Buffer"/> tensors enter an update.</summary>
public enum TensorRole
{
    /// <summary>Trained at the clients and averaged.</summary>
    Trainable,

    /// <summary>Part of the model, never changed by a run.</summary>
    Frozen,

    /// <summary>State that is not trained, such as a running mean; the mean over the clients is the next global one.</summary>
    Buffer,

    /// <summary>Trained, but never leaves the site.</summary>
    Local,

    /// <summary>State that is not trained and never leaves the site.</summary>
    LocalBuffer,
}
