// The types under Grpc/ stand in for the packages Grpc.Core.Api, Grpc.Net.Client(.Web) and Grpc.AspNetCore(.Web) where these cannot be restored: what the
// generated stubs and FedCore's calls need of them, under the same names. -p:GrpcDotnet=true builds with the packages instead. Their documentation holds.
namespace Grpc.Core;

internal enum StatusCode
{
    OK = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

internal readonly record struct Status(StatusCode StatusCode, string Detail, Exception? DebugException = null)
{
    public static readonly Status DefaultSuccess = new(StatusCode.OK, "");

    public override string ToString() => $"Status(StatusCode=\"{StatusCode}\", Detail=\"{Detail}\")";
}

internal sealed class RpcException(Status status, Metadata trailers, string message) : Exception(message, status.DebugException)
{
    public RpcException(Status status)
        : this(status, Metadata.Empty)
    {
    }

    public RpcException(Status status, Metadata trailers)
        : this(status, trailers, status.ToString())
    {
    }

    public Status Status => status;

    public StatusCode StatusCode => status.StatusCode;

    public Metadata Trailers => trailers;
}
