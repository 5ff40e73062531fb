using System.Security.Authentication;
using Grpc.Core;

namespace FedCore.Protocol.Connections;

/// <summary>What is the matter with a port that speaks otherwise than it was spoken to.</summary>
internal enum PortFault
{
    /// <summary>Nothing that is known.</summary>
    None,

    /// <summary>It was called with TLS, and speaks none.</summary>
    NoTls,

    /// <summary>It was called with HTTP/2, and speaks HTTP/1.1 alone.</summary>
    OnlyHttp1,
}

/// <summary>Finds out that a call went to a port of another kind, as with an address of the wrong scheme.</summary>
internal static class WrongPort
{
    private const int Http11Required = 0xd;

    /// <summary>What is the matter with the port, as far as a call's fault says.</summary>
    /// <param name="fault">The call's fault, or one that it caused.</param>
    public static PortFault In(Exception? fault)
    {
        for (Exception? cause = fault; cause is not null; cause = (cause as RpcException)?.Status.DebugException ?? cause.InnerException)
        {
            switch (cause)
            {
                // Only by its text this fault differs from that of a certificate.
                case AuthenticationException when cause.Message.Contains("frame", StringComparison.Ordinal): return PortFault.NoTls;
                case HttpProtocolException { ErrorCode: Http11Required }: return PortFault.OnlyHttp1;
            }
        }

        return PortFault.None;
    }
}
