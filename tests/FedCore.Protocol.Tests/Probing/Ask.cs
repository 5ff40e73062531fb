using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Protocol.Tests;

internal sealed partial class Ask
{
    public static Ask For(string command, string payload = "", int count = 0) => new() { Command = command, Payload = ByteString.CopyFromUtf8(payload), Count = count };
}

/// <summary>Options of calls. No test waits for ever.</summary>
internal static class Within
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public static CallOptions Options(Metadata? headers = null, CancellationToken ct = default) =>
        new(headers, DateTime.UtcNow + Patience, ct.CanBeCanceled ? ct : TestContext.Current.CancellationToken);

    public static CallOptions Deadline(TimeSpan left) => new(null, DateTime.UtcNow + left, TestContext.Current.CancellationToken);
}
