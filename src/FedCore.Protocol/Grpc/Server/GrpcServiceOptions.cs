namespace Grpc.AspNetCore.Server;

internal sealed class GrpcServiceOptions
{
    public int? MaxReceiveMessageSize { get; set; } = 4 << 20;

    public int? MaxSendMessageSize { get; set; }
}
