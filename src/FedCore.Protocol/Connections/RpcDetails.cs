using FedCore.Protocol.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace FedCore.Protocol.Connections;

/// <summary>What a call that failed says to programs: a <see cref="Fault"/> in its trailers.</summary>
internal static class RpcDetails
{
    /// <summary>The trailer that holds the details.</summary>
    public const string Trailer = "grpc-status-details-bin";

    /// <summary>What goes into the trailer.</summary>
    public static byte[] Of(StatusCode status, string message, Fault fault) =>
        new StatusDetails { Code = (int)status, Message = message, Details = { Any.Pack(fault) } }.ToByteArray();

    /// <summary>What the trailer of a fault says; null where there is none, or none that can be read.</summary>
    public static Fault? FaultIn(RpcException fault)
    {
        try
        {
            return fault.Trailers.GetValueBytes(Trailer) is { } bytes
                && StatusDetails.Parser.ParseFrom(bytes).Details.FirstOrDefault(detail => detail.Is(Fault.Descriptor)) is { } details
                ? details.Unpack<Fault>()
                : null;
        }
        catch (InvalidProtocolBufferException)
        {
            return null;
        }
    }
}
