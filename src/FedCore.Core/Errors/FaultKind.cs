namespace FedCore;

/// <summary>What kind of fault stopped the work; it decides the exit code of the command line.</summary>
public enum FaultKind
{
    /// <summary>The command was typed wrongly (exit code 2).</summary>
    Usage = 2,

    /// <summary>A run file, a data set or a folder is not as it must be (exit code 3).</summary>
    Configuration = 3,

    /// <summary>Something could not be reached, is taken or has no room, which may pass without a change of what was given (exit code 4).</summary>
    Unreachable = 4,

    /// <summary>The run itself failed: it diverged, or no round met its minimum (exit code 5).</summary>
    RunFailed = 5,
}
