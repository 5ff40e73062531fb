using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace FedCore.Aggregator.Journal;

/// <summary>Where a log lies in PostgreSQL.</summary>
/// <param name="ConnectionString">The database, as Npgsql reads it.</param>
/// <param name="Schema">The schema that the log has for itself.</param>
internal sealed record PostgresPlace(string ConnectionString, string Schema = "fedcore")
{
    // A server that does not answer is given up after this.
    private const int CommandSeconds = 15, KeepAliveSeconds = 10;

    /// <summary>How long a lost connection is made anew before what waits for it fails.</summary>
    /// <value>30 seconds.</value>
    public TimeSpan GiveUpAfter { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Reads where a log lies.</summary>
    /// <exception cref="FedCoreException">It is no connection string, or names no server (<c>aggregator.postgres</c>).</exception>
    public static PostgresPlace Read(string connectionString)
    {
        try
        {
            if (new NpgsqlConnectionStringBuilder(connectionString) is { Host.Length: > 0 }) return new PostgresPlace(connectionString);
        }
        catch (Exception fault) when (fault is ArgumentException or FormatException or InvalidCastException or OverflowException)
        {
            // What exactly is wrong may be a part of a password.
        }

        throw FedCoreException.Configuration("aggregator.postgres", "aggregator.postgres is no connection string that names a server. Write it as Host=...;Port=5432;Database=...;Username=...;Password=....");
    }

    /// <summary>The schema's name, quoted.</summary>
    public string QuotedSchema => "\"" + Schema.Replace("\"", "\"\"", StringComparison.Ordinal) + "\"";

    /// <summary>The table of events.</summary>
    public string Events => QuotedSchema + ".events";

    /// <summary>The number of the lock that the owner of the schema holds.</summary>
    public long Lock => BinaryPrimitives.ReadInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes("fedcore journal " + Schema)));

    /// <summary>The connection string of a session: not pooled, and it notices a server that is gone, sooner or later as its owner wants.</summary>
    public string SessionString
    {
        get
        {
            var builder = new NpgsqlConnectionStringBuilder(ConnectionString) { Pooling = false };
            if (!builder.ShouldSerialize("Keepalive")) builder.KeepAlive = KeepAliveSeconds;
            if (!builder.ShouldSerialize("Command Timeout")) builder.CommandTimeout = CommandSeconds;
            return builder.ConnectionString;
        }
    }

    /// <summary>A connection of one's own.</summary>
    public async Task<NpgsqlConnection> ConnectAsync(CancellationToken ct)
    {
        var connection = new NpgsqlConnection(SessionString);
        try
        {
            await connection.OpenAsync(ct).ConfigureAwait(false);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The place without a password.</summary>
    public override string ToString()
    {
        var builder = new NpgsqlConnectionStringBuilder(ConnectionString);
        return $"postgresql://{builder.Host}:{builder.Port}/{builder.Database}, schema {Schema}";
    }
}
