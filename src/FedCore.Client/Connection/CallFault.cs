using FedCore.Protocol.Connections;
using FedCore.Protocol.V1;
using Grpc.Core;

namespace FedCore.Client.Connection;

/// <summary>A call that failed, with what the aggregator says of it to programs.</summary>
internal sealed class CallFault : Exception
{
    private CallFault(StatusCode status, string message, Fault details, Exception? cause)
        : base(message, cause) => (Status, Code, ServedVersions) = (status, details.Code, details.ServedVersions);

    /// <summary>A call whose end is not what it must be.</summary>
    public CallFault(string message)
        : this(StatusCode.Internal, message, new Fault(), null)
    {
    }

    /// <summary>The canonical status.</summary>
    public StatusCode Status { get; }

    /// <summary>The aggregator's reason code; empty where it gives none.</summary>
    public string Code { get; }

    /// <summary>The versions of the protocol that the aggregator serves, where that is what is wrong.</summary>
    public IReadOnlyList<int> ServedVersions { get; }

    /// <summary>Whether the same call may well succeed later.</summary>
    public bool IsTransient => Status is StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.ResourceExhausted or StatusCode.Aborted or StatusCode.Cancelled
        or StatusCode.Internal or StatusCode.Unknown or StatusCode.OutOfRange;

    /// <summary>Whether another call would fail as well: the aggregator was not reached, or does not know the site.</summary>
    public bool IsOfConnection => (Code.Length == 0 && Status is StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.Cancelled)
        || Status is StatusCode.Unauthenticated or StatusCode.PermissionDenied;

    /// <summary>Whether nobody waits for the task that the call was about.</summary>
    public bool IsUnwanted => Status == StatusCode.FailedPrecondition && Code == "task.unwanted";

    /// <summary>What is wrong with the aggregator's certificate; null where nothing is known to be.</summary>
    public string? Distrust => PrivateAuthority.DistrustIn(InnerException);

    /// <summary>What is the matter with the port that was called.</summary>
    public PortFault Port => WrongPort.In(InnerException);

    /// <summary>Makes a fault of the RPC layer's.</summary>
    /// <param name="fault">The fault.</param>
    /// <param name="reason">Why the call was given up here; null where it was not.</param>
    public static CallFault From(RpcException fault, string? reason = null)
    {
        string message = reason ?? (fault.Status.Detail.Length > 0 ? Shown.Of(fault.Status.Detail.TrimEnd('.'), 1000) : $"the aggregator answered {fault.StatusCode}");
        return new CallFault(reason is null ? fault.StatusCode : StatusCode.DeadlineExceeded, message, RpcDetails.FaultIn(fault) ?? new Fault(), fault);
    }
}
