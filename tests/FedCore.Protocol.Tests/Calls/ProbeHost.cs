using Grpc.Net.Client;

namespace FedCore.Protocol.Tests.Calls;

/// <summary>A server with the probe's service, in whatever language, for all tests of a class.</summary>
public abstract class ProbeHost : IAsyncLifetime
{
    private static int _calls;

    private GrpcChannel? _channel;

    internal Probe.ProbeClient Client
    {
        get
        {
            Assert.SkipWhen(Absence is not null, Absence ?? "");
            return new Probe.ProbeClient(_channel);
        }
    }

    /// <summary>Why there is no server.</summary>
    internal string? Absence { get; private protected set; }

    public async ValueTask InitializeAsync() => _channel = await StartAsync();

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        _channel?.Dispose();
        await StopAsync();
    }

    /// <summary>A name that no other call has.</summary>
    internal static string NewName() => $"call-{Interlocked.Increment(ref _calls)}";

    /// <summary>Completes when a call has begun to wait ("NAME begun") or its server saw that it was cancelled ("NAME cancelled").</summary>
    internal async Task SignalAsync(string name) => await Client.UnaryAsync(Ask.For("signal", name), Within.Options());

    internal abstract Task<GrpcChannel?> StartAsync();

    internal abstract Task StopAsync();
}
