using System.Net;
using System.Net.Sockets;

namespace FedCore.IntegrationTests;

/// <summary>The network between a site and the aggregator. It can fall silent, as a line does that is cut: nothing passes, and neither end is told.</summary>
internal sealed class Line : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly int _target;
    private TaskCompletionSource _open = New(), _cut = New();
    private long _sent, _cutAt = long.MaxValue;
    private volatile bool _isOneWay;

    public Line(int target)
    {
        _target = target;
        _open.SetResult();
        _listener.Start();
        _ = AcceptAsync();
    }

    /// <summary>Where the site finds it.</summary>
    public string Address => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    /// <summary>How many bytes the site has sent through it.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>Falls silent when the site has sent so many more bytes.</summary>
    /// <param name="bytes">The number.</param>
    /// <param name="isOneWay">Whether what the site sends still passes.</param>
    /// <returns>Ends when it has.</returns>
    public Task CutAfter(long bytes, bool isOneWay = false)
    {
        lock (_lock)
        {
            _isOneWay = isOneWay;
            (_open, _cut) = (New(), New());
            _open.SetResult();
            Volatile.Write(ref _cutAt, Sent + bytes);
            return _cut.Task;
        }
    }

    /// <summary>Lets everything pass again, also what was held up.</summary>
    public void Mend()
    {
        lock (_lock)
        {
            Volatile.Write(ref _cutAt, long.MaxValue);
            _open.TrySetResult();
        }
    }

    public void Dispose()
    {
        _stop.Cancel();
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token));
        }
        catch (Exception fault) when (fault is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(TcpClient site)
    {
        using var aggregator = new TcpClient { NoDelay = true };
        using (site)
        {
            try
            {
                site.NoDelay = true;
                await aggregator.ConnectAsync(IPAddress.Loopback, _target, _stop.Token);
                await Task.WhenAny(PumpAsync(site, aggregator, isUp: true), PumpAsync(aggregator, site, isUp: false));
            }
            catch (Exception fault) when (fault is OperationCanceledException or SocketException)
            {
                // The aggregator is away: the site sees its connection break.
            }
        }
    }

    private async Task PumpAsync(TcpClient from, TcpClient to, bool isUp)
    {
        byte[] buffer = new byte[16 << 10];
        try
        {
            while (await from.GetStream().ReadAsync(buffer, _stop.Token) is > 0 and var count)
            {
                if (isUp && Interlocked.Add(ref _sent, count) >= Volatile.Read(ref _cutAt)) Cut();
                if (!isUp || !_isOneWay) await Volatile.Read(ref _open).Task.WaitAsync(_stop.Token);
                await to.GetStream().WriteAsync(buffer.AsMemory(0, count), _stop.Token);
            }
        }
        catch (Exception fault) when (fault is IOException or OperationCanceledException or InvalidOperationException)
        {
            // One end has gone: so does the other.
        }
    }

    private void Cut()
    {
        lock (_lock)
        {
            if (_cut.Task.IsCompleted || _cutAt == long.MaxValue) return;
            _open = New();
            _cut.SetResult();
        }
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
