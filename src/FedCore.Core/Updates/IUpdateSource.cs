namespace FedCore.Updates;

/// <summary>
/// Where a reply's update comes from: the spool of a service, or, in a simulation, a client whose training is computed only now, when its update is
/// wanted.
/// </summary>
public interface IUpdateSource
{
    /// <summary>Makes the update readable.</summary>
    /// <param name="ct">Cancels the opening.</param>
    /// <returns>A reader that the caller disposes of when it has read the update.</returns>
    /// <exception cref="UpdateRefusedException">There is no usable update; the others can still be summed.</exception>
    ValueTask<IUpdateReader> OpenAsync(CancellationToken ct);
}

/// <summary>An open update. Its memory belongs to the reader.</summary>
public interface IUpdateReader : IDisposable
{
    /// <summary>Bytes that the update took on the wire, where that is known; null where it was not encoded.</summary>
    long? ByteLength => null;

    /// <summary>How many clients the update stands for: 1, or more for a gateway's.</summary>
    int Contributors { get; }

    /// <summary>The scalar sections.</summary>
    ReadOnlySpan<double> Scalars { get; }

    /// <summary>The vector sections from an offset on: as many elements as lie ready, at least one. They are read in order, each once.</summary>
    /// <param name="offset">First element, below the layout's vector length.</param>
    /// <returns>A view that is valid until the next call.</returns>
    ReadOnlySpan<float> Read(long offset);
}

/// <summary>An update cannot be used; the round goes on without it.</summary>
/// <param name="code">A stable reason code such as <c>update.not-finite</c>.</param>
/// <param name="message">What is wrong with it.</param>
/// <param name="innerException">The cause.</param>
public sealed class UpdateRefusedException(string code, string message, Exception? innerException = null)
    : FedCoreException(FaultKind.RunFailed, code, message, innerException)
{
    /// <summary>The code of an update with a number that is not finite.</summary>
    public const string NotFinite = "update.not-finite";

    /// <summary>The code of an update whose weight no client has.</summary>
    public const string Weight = "update.weight";
}
