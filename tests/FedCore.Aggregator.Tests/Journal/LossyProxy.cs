using System.Net;
using System.Net.Sockets;

namespace FedCore.Aggregator.Tests.Journal;

/// <summary>Stands before a server, and can cut a connection between a request that reached it and the answer.</summary>
internal sealed class LossyProxy : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly int _port;
    private int _answersToSwallow;

    public LossyProxy(int port)
    {
        _port = port;
        _listener.Start();
        _ = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>How many answers were lost.</summary>
    public int Swallowed { get; private set; }

    /// <summary>Loses the next answer of the server, and the connection with it.</summary>
    public void SwallowNextAnswer() => Volatile.Write(ref _answersToSwallow, 1);

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        while (true)
        {
            TcpClient client;
            try
            {
                client = await _listener.AcceptTcpClientAsync();
            }
            catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
            {
                return;
            }

            _ = ServeAsync(client);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        using (var server = new TcpClient())
        {
            await server.ConnectAsync(IPAddress.Loopback, _port);
            Task up = client.GetStream().CopyToAsync(server.GetStream());
            await Task.WhenAny(up, AnswerAsync(server.GetStream(), client.GetStream()));
        }
    }

    private async Task AnswerAsync(NetworkStream server, NetworkStream client)
    {
        byte[] buffer = new byte[65536];
        for (int count = await server.ReadAsync(buffer); count > 0; count = await server.ReadAsync(buffer))
        {
            if (Interlocked.Exchange(ref _answersToSwallow, 0) == 1)
            {
                Swallowed++;
                return;
            }

            await client.WriteAsync(buffer.AsMemory(0, count));
        }
    }
}
