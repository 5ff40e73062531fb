using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using FedCore.Tests;

namespace FedCore.Aggregator.Tests.Journal;

/// <summary>A PostgreSQL cluster of one's own in a temporary folder, with fsync on. It is not there where PostgreSQL is not installed.</summary>
public sealed class PostgresServer : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private readonly string? _programs = Directory.Exists("/usr/lib/postgresql")
        ? Directory.GetDirectories("/usr/lib/postgresql").Select(folder => Path.Combine(folder, "bin")).Where(bin => File.Exists(Path.Combine(bin, "initdb"))).Order().LastOrDefault()
        : null;

    private Process? _server;
    private int _schemas;

    /// <summary>The loopback port that it listens on.</summary>
    public int Port { get; } = FreePort();

    private string Data => _folder["data"];

    /// <summary>A connection string; the calling test is skipped where there is no server.</summary>
    public string Connection
    {
        get
        {
            Assert.SkipWhen(_programs is null, "PostgreSQL is not installed (Debian: apt-get install postgresql).");
            return ConnectionAt(Port);
        }
    }

    public static string ConnectionAt(int port) => $"Host=127.0.0.1;Port={port};Username=fedcore;Database=postgres";

    /// <summary>The name of a schema that no other test has.</summary>
    public string NewSchema() => $"odd \"schema\" {Interlocked.Increment(ref _schemas)}";

    public async ValueTask InitializeAsync()
    {
        if (_programs is null) return;
        if (Environment.IsPrivilegedProcess) await RunAsync("chown", "postgres", _folder.Path);
        await RunAsync([.. AsPostgres("initdb"), "-D", Data, "-U", "fedcore", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
        await StartAsync();
    }

    public async Task StartAsync()
    {
        string[] command = [.. AsPostgres("postgres"), "-D", Data, "-p", $"{Port}", "-k", _folder.Path, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=on", "-c", "log_destination=stderr"];
        _server = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true })!;
        var said = new List<string>();
        while (await _server.StandardError.ReadLineAsync() is { } line)
        {
            said.Add(line);
            if (!line.Contains("ready to accept connections", StringComparison.Ordinal)) continue;
            _ = _server.StandardError.ReadToEndAsync();
            return;
        }

        throw new InvalidOperationException("PostgreSQL did not start: " + string.Join('\n', said));
    }

    /// <summary>Stops it as an operator in a hurry does: sessions are cut.</summary>
    public async Task StopAsync()
    {
        if (_server is null) return;
        await RunAsync([.. AsPostgres("pg_ctl"), "-D", Data, "-m", "fast", "-w", "stop"]);
        await _server.WaitForExitAsync();
        _server.Dispose();
        _server = null;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _folder.Dispose();
    }

    // The server refuses to be root. setpriv becomes the program that it starts, so that its process is the server's.
    private string[] AsPostgres(string program)
    {
        string path = Path.Combine(_programs!, program);
        return Environment.IsPrivilegedProcess ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", path] : [path];
    }

    private async Task RunAsync(params string[] command)
    {
        using Process process = Process.Start(new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = _folder.Path,
        })!;
        _ = process.StandardOutput.ReadToEndAsync();
        string error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{string.Join(' ', command)}: {error}");
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
