namespace FedCore;

/// <summary>A fault of the domain, with a stable reason code. The message names the thing, the value, the limit and the remedy.</summary>
/// <param name="kind">What kind of fault it is.</param>
/// <param name="code">A stable code such as <c>model.shape</c>, for programs.</param>
/// <param name="message">One sentence or two for a person.</param>
/// <param name="innerException">What caused it, if another fault did.</param>
public class FedCoreException(FaultKind kind, string code, string message, Exception? innerException = null)
    : Exception(message, innerException)
{
    /// <summary>What kind of fault this is.</summary>
    public FaultKind Kind { get; } = kind;

    /// <summary>A stable code such as <c>model.shape</c>.</summary>
    public string Code { get; } = code;

    /// <summary>A fault in what somebody wrote or provided: a run file, a data set, a folder.</summary>
    /// <param name="code">The reason code.</param>
    /// <param name="message">The message.</param>
    /// <param name="innerException">The cause.</param>
    /// <returns>The exception, to be thrown.</returns>
    public static FedCoreException Configuration(string code, string message, Exception? innerException = null) =>
        new(FaultKind.Configuration, code, message, innerException);

    /// <summary>A fault of what surrounds the program, which may pass: the same may well succeed later.</summary>
    /// <param name="code">The reason code.</param>
    /// <param name="message">The message.</param>
    /// <param name="innerException">The cause.</param>
    /// <returns>The exception, to be thrown.</returns>
    public static FedCoreException Unreachable(string code, string message, Exception? innerException = null) =>
        new(FaultKind.Unreachable, code, message, innerException);

    /// <summary>A fault of a run that was rightly defined.</summary>
    /// <param name="code">The reason code.</param>
    /// <param name="message">The message.</param>
    /// <param name="innerException">The cause.</param>
    /// <returns>The exception, to be thrown.</returns>
    public static FedCoreException RunFailed(string code, string message, Exception? innerException = null) =>
        new(FaultKind.RunFailed, code, message, innerException);
}
