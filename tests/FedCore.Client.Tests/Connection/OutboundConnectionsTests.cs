using FedCore.Protocol.Connections;

namespace FedCore.Client.Tests.Connection;

public class OutboundConnectionsTests
{
    [Theory]
    [InlineData("http://127.0.0.1:8470", false)]
    [InlineData("https://localhost:8443", false)]
    [InlineData("http://[::1]:8470", false)]
    [InlineData("https://aggregator.example.org", true)]
    [InlineData("https://10.0.0.1", true)]
    public void Only_an_aggregator_elsewhere_is_reached_through_the_environments_proxy(string address, bool usesProxy)
    {
        using SocketsHttpHandler sockets = OutboundConnections.Create(address);
        Assert.Equal(usesProxy, sockets.UseProxy);
    }
}
