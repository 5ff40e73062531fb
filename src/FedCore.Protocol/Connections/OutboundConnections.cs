namespace FedCore.Protocol.Connections;

/// <summary>How sites and coordinators reach an aggregator.</summary>
internal static class OutboundConnections
{
    // How much of an answer may be on its way. With HTTP's usual 64 KiB a model begins with 1.3 MB/s on a line of 50 ms, and the aggregator is told of every
    // 32 KiB that were read.
    private const int WindowBytes = 1 << 20;

    /// <summary>
    /// Makes connections that carry calls and nothing else: no cookies, and nobody is sent elsewhere. The way to this machine leads through no proxy, whatever the
    /// environment says of others.
    /// </summary>
    /// <param name="address">The aggregator's address.</param>
    public static SocketsHttpHandler Create(string address) => new()
    {
        UseCookies = false,
        UseProxy = !new Uri(address).IsLoopback,
        AllowAutoRedirect = false,
        ConnectTimeout = TimeSpan.FromSeconds(10),
        InitialHttp2StreamWindowSize = WindowBytes,
    };
}
