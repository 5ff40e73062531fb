using FedCore.Protocol.Tests.Probing;

namespace FedCore.Protocol.Tests.Peers;

/// <summary>grpcio's client and our server.</summary>
public sealed class PythonClientTests(PythonResults results) : PeerClientSuite(results), IClassFixture<PythonResults>;

/// <summary>The client of @grpc/grpc-js and our server.</summary>
public sealed class NodeClientTests(NodeResults results) : PeerClientSuite(results), IClassFixture<NodeResults>;

public sealed class PythonResults : PeerResults
{
    private protected override Task<Peer> FindAsync() => Peer.PythonAsync();
}

public sealed class NodeResults : PeerResults
{
    private protected override Task<Peer> FindAsync() => Peer.NodeAsync();
}

/// <summary>What a client in another language, which checks what it sees, says of each of its scenarios.</summary>
public abstract class PeerClientSuite(PeerResults results)
{
    public static TheoryData<string> Scenarios { get; } =
    [
        "unary_answers", "unary_empty", "unary_large", "unary_too_large", "unary_fails", "unary_throws", "unary_missing", "unary_compressed", "unary_metadata", "unary_deadline",
        "unary_cancelled", "server_stream_answers", "server_stream_empty", "server_stream_fails", "server_stream_deadline", "server_stream_cancelled", "server_stream_big",
        "client_stream_counts", "client_stream_fails_early", "client_stream_answered_early", "client_stream_cancelled", "client_stream_big", "duplex_converses", "duplex_fails",
        "duplex_big",
    ];

    [Theory]
    [MemberData(nameof(Scenarios))]
    public void Scenario_goes_well(string name)
    {
        Assert.SkipWhen(results.Absence is not null, results.Absence ?? "");
#if GRPC_DOTNET
        Assert.SkipWhen(name == "unary_compressed", "The packages can do gzip.");
#endif
        Assert.Equal($"ok {name}", results.Lines.SingleOrDefault(line => line == $"ok {name}" || line.StartsWith($"failed {name}:", StringComparison.Ordinal)));
    }

    [Fact]
    public void Only_what_was_told_to_fail_is_in_the_servers_log()
    {
        Assert.SkipWhen(results.Absence is not null, results.Absence ?? "");
        Assert.All(results.ServerErrors, error => Assert.Contains(ProbeService.Secret, error));
    }
}

/// <summary>The scenarios' results.</summary>
public abstract class PeerResults : IAsyncLifetime
{
    public string? Absence { get; private set; }

    public IReadOnlyList<string> Lines { get; private set; } = [];

    public IReadOnlyList<string> ServerErrors { get; private set; } = [];

    public async ValueTask InitializeAsync()
    {
        Peer peer = await FindAsync();
        Absence = peer.Absence;
        if (Absence is not null) return;
        await using ProbeServer server = await ProbeServer.StartAsync();
        await using var process = new PeerProcess([.. peer.Client, server.Address.Authority]);
        Lines = await process.ReadToEndAsync();
        ServerErrors = server.Log.Errors;
    }

    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    private protected abstract Task<Peer> FindAsync();
}
