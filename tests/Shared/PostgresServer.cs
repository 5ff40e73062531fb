using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace FedCore.Tests;

/// <summary>
/// A real PostgreSQL server with a cluster of its own in a temporary folder, on a free port of the loopback address. It starts when it is first asked for; tests
/// that ask skip where it is not installed. Share it by an assembly fixture.
/// </summary>
public sealed class PostgresServer : IAsyncDisposable
{
    public const string User = "tester", Password = "a secret; with 'signs'";

    private const int Attempts = 5;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private string? _folder;

    public const string Host = "127.0.0.1";

    /// <summary>The port, once it has started.</summary>
    public int Port { get; private set; }

    private static string? Programs { get; } = Directory.Exists("/usr/lib/postgresql")
        ? Directory.EnumerateDirectories("/usr/lib/postgresql").Select(version => Path.Combine(version, "bin")).Where(bin => File.Exists(Path.Combine(bin, "initdb"))).Order().LastOrDefault()
        : null;

    // The server refuses to run as root.
    private static bool IsRoot => Environment.IsPrivilegedProcess;

    private string Data => Path.Combine(_folder!, "data");

    /// <summary>How to connect as the superuser; the server is started first, or the calling test skipped.</summary>
    public async Task<string> ConnectionStringAsync(CancellationToken ct)
    {
        Assert.SkipUnless(Programs is not null, "PostgreSQL is not installed: no initdb in /usr/lib/postgresql/*/bin. On Debian: apt-get install postgresql.");
        await _gate.WaitAsync(ct);
        try
        {
            if (Port == 0) await StartAsync(ct);
        }
        finally
        {
            _gate.Release();
        }

        return $"Host={Host};Port={Port};Database=postgres;Username={User};Password=\"{Password}\"";
    }

    public async ValueTask DisposeAsync()
    {
        _gate.Dispose();
        if (_folder is null) return;
        if (Port != 0) await RunAsync("pg_ctl", ["-D", Data, "-m", "immediate", "-w", "stop"], CancellationToken.None);
        Directory.Delete(_folder, recursive: true);
    }

    private async Task StartAsync(CancellationToken ct)
    {
        _folder = Directory.CreateTempSubdirectory("fedcore-postgres-").FullName;
        string password = Path.Combine(_folder, "password");
        await File.WriteAllTextAsync(password, Password, ct);
        if (IsRoot) await CheckAsync("chown", ["-R", "postgres", _folder], ct);
        await CheckAsync("initdb", ["-D", Data, "-U", User, $"--pwfile={password}", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"], ct);
        for (int attempt = 1; ; attempt++)
        {
            // Somebody else may take the port between the two.
            int port = FreePort();
            string options = $"-p {port} -c listen_addresses={Host} -c unix_socket_directories='' -c fsync=off";
            (int code, string output) = await RunAsync("pg_ctl", ["-D", Data, "-o", options, "-l", Path.Combine(_folder, "log"), "-w", "-t", "60", "start"], ct);
            if (code == 0)
            {
                Port = port;
                return;
            }

            if (attempt == Attempts) throw new InvalidOperationException($"PostgreSQL does not start: {output}");
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private async Task CheckAsync(string program, string[] arguments, CancellationToken ct)
    {
        (int code, string output) = await RunAsync(program, arguments, ct);
        if (code != 0) throw new InvalidOperationException($"{program} ended with {code}: {output}");
    }

    private async Task<(int Code, string Output)> RunAsync(string program, string[] arguments, CancellationToken ct)
    {
        bool isOurs = program != "chown";
        if (isOurs) program = Path.Combine(Programs!, program);
        var start = isOurs && IsRoot ? new ProcessStartInfo("runuser", ["-u", "postgres", "--", program, .. arguments]) : new ProcessStartInfo(program, arguments);
        (start.RedirectStandardOutput, start.RedirectStandardError, start.WorkingDirectory) = (true, true, _folder);
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(ct), error = process.StandardError.ReadToEndAsync(ct);
        await process.WaitForExitAsync(ct);
        return (process.ExitCode, await output + await error);
    }
}
