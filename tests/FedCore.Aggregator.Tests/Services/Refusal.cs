using FedCore.Protocol.Connections;
using FedCore.Protocol.V1;
using Grpc.Core;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>What a call is refused with.</summary>
internal static class Refusal
{
    /// <summary>Waits for a call to be refused with a canonical status, a message for people, and a reason for programs that says the same.</summary>
    public static async Task<Fault> ThrowsAsync(StatusCode status, string code, Func<Task> call)
    {
        RpcException refused = await Assert.ThrowsAsync<RpcException>(call);
        Assert.Equal((status, code), (refused.StatusCode, RpcDetails.FaultIn(refused)?.Code ?? $"none: {refused.Status.Detail}"));
        StatusDetails details = StatusDetails.Parser.ParseFrom(refused.Trailers.GetValueBytes(RpcDetails.Trailer));
        Assert.Equal(((int)status, refused.Status.Detail), (details.Code, details.Message));
        Assert.NotEqual("", details.Message);
        return RpcDetails.FaultIn(refused)!;
    }
}
