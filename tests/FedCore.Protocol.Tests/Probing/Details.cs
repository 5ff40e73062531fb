using FedCore.Protocol.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace FedCore.Protocol.Tests.Probing;

/// <summary>Failures with details, as the protocol has them.</summary>
internal static class Details
{
    private const string Trailer = "grpc-status-details-bin";

    public static RpcException Failure(StatusCode code, string message, Fault fault)
    {
        var details = new StatusDetails { Code = (int)code, Message = message, Details = { Any.Pack(fault) } };
        return new RpcException(new Status(code, message), new Metadata { { Trailer, details.ToByteArray() } });
    }

    public static (StatusDetails Details, Fault Fault) In(Metadata trailers)
    {
        StatusDetails details = StatusDetails.Parser.ParseFrom(trailers.GetValueBytes(Trailer));
        return (details, Assert.Single(details.Details).Unpack<Fault>());
    }
}
