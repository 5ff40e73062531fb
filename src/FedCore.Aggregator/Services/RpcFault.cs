using FedCore.Aggregator.Journal;
using FedCore.Aggregator.Models;
using FedCore.Aggregator.Spooling;
using FedCore.Protocol.Connections;
using FedCore.Protocol.V1;
using Grpc.Core;

namespace FedCore.Aggregator.Services;

/// <summary>Faults of calls: a canonical status, a message for a person, and a <see cref="Fault"/> for programs in the trailers.</summary>
internal static class RpcFault
{
    /// <summary>A fault.</summary>
    /// <param name="status">The canonical status.</param>
    /// <param name="code">The reason code.</param>
    /// <param name="message">What is wrong and what to do.</param>
    /// <param name="field">The request's field that it is about.</param>
    /// <returns>The exception, to be thrown.</returns>
    public static RpcException Of(StatusCode status, string code, string message, string field = "") =>
        new(new Status(status, message), new Metadata { { RpcDetails.Trailer, RpcDetails.Of(status, message, new Fault { Code = code, Field = field }) } });

    /// <summary>A field of a request that is not as it must be.</summary>
    /// <param name="field">The field, such as <c>head.length</c>.</param>
    /// <param name="what">What it is, and what it must be.</param>
    /// <param name="code">The reason code.</param>
    public static RpcException Invalid(string field, string what, string code = "request.invalid") => Of(StatusCode.InvalidArgument, code, $"{field} {what}", field);

    /// <summary>A run that waits until a fault of the aggregator's has passed.</summary>
    /// <param name="remedy">What the caller may do.</param>
    public static RpcException HeldUp(string remedy) => Of(StatusCode.Unavailable, "run.held-up", $"The run is held up by a fault of the aggregator's. {remedy}");

    /// <summary>A fault of the domain as a call's.</summary>
    /// <param name="fault">The fault.</param>
    /// <param name="field">The request's field that it is about.</param>
    public static RpcException From(FedCoreException fault, string field = "") => Of(
        fault.Code switch
        {
            SpoolFaults.Full or BlobStore.Full => StatusCode.ResourceExhausted,
            SpoolFaults.Write or SpoolFaults.Sync or "spool.read" or BlobStore.Unwritten or "blob.raced" or EventLog.Lost or EventLog.Broken or "journal.read" => StatusCode.Unavailable,
            BlobStore.Missing or "site.unknown" => StatusCode.NotFound,
            "run.exists" or "site.exists" => StatusCode.AlreadyExists,
            _ => fault.Kind switch
            {
                FaultKind.Configuration or FaultKind.Usage => StatusCode.InvalidArgument,
                FaultKind.Unreachable => StatusCode.Unavailable,
                _ => StatusCode.FailedPrecondition,
            },
        },
        fault.Code, fault.Message, field);
}
