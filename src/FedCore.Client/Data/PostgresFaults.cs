using System.Net.Sockets;
using System.Security.Authentication;
using Npgsql;

namespace FedCore.Client.Data;

/// <summary>Says in a site operator's words what a PostgreSQL server or the way to it has answered. No message holds a password.</summary>
internal sealed class PostgresFaults(NpgsqlConnectionStringBuilder settings, string key, string? passwordVariable, int timeoutSeconds)
{
    /// <summary>What messages call the database.</summary>
    public string Name { get; } = $"database '{Shown.Of(settings.Database ?? settings.Username ?? "")}' at {Shown.Of(settings.Host!)}:{settings.Port}";

    public FedCoreException Explain(Exception fault) => fault switch
    {
        PostgresException refusal => Explain(refusal),
        NpgsqlException { InnerException: null } or NpgsqlException { InnerException: InvalidOperationException or NotSupportedException } => Login(fault.Message, fault),
        _ => Unreachable(fault.InnerException is SocketException or AuthenticationException or TimeoutException ? fault.InnerException.Message : fault.Message, fault),
    };

    private FedCoreException Explain(PostgresException fault) => fault.SqlState switch
    {
        PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification => Login(fault.MessageText, fault),
        PostgresErrorCodes.InvalidCatalogName => Query($"the server has no such database. Correct {key}.connectionString", fault),
        PostgresErrorCodes.QueryCanceled => Query(
            $"the server has cancelled the query, which may take at most {timeoutSeconds} seconds. Make it faster, or set {key}.timeoutSeconds to more", fault),
        PostgresErrorCodes.ReadOnlySqlTransaction => Query($"the query would change the database, which is only read ({Shown.Of(fault.MessageText, 300)}). Write a SELECT into {key}.query", fault),
        PostgresErrorCodes.InsufficientPrivilege => Query(
            $"user '{Shown.Of(settings.Username ?? "")}' may not read what the query names ({Shown.Of(fault.MessageText, 300)}). Let the database's keeper grant SELECT on it", fault),
        ['0', '8', ..] or ['5', '3', ..] or ['5', '7', 'P', ..] => Unreachable(fault.MessageText, fault),
        _ => Query($"the query cannot be run: {Shown.Of(fault.MessageText, 300)}{Place(fault)}. Correct {key}.query", fault),
    };

    private static string Place(PostgresException fault) => fault.Position > 0 ? $" (character {fault.Position})" : "";

    private FedCoreException Query(string what, Exception fault) => FedCoreException.Configuration(QueryRows.FaultCode, $"{Name}: {what}.", fault);

    private FedCoreException Login(string what, Exception fault) => FedCoreException.Configuration(
        "data.login", $"{Name}: the server does not let user '{Shown.Of(settings.Username ?? "")}' in ({Shown.Of(what.TrimEnd('.'), 300)}). Correct the user in {key}.connectionString or the password"
        + (passwordVariable is null ? "." : $" in the environment variable '{Shown.Of(passwordVariable)}'."), fault);

    private FedCoreException Unreachable(string what, Exception fault) => new(
        FaultKind.Unreachable, "data.unreachable", $"{Name} cannot be reached ({Shown.Of(what.TrimEnd('.'), 300)}). Check that the server runs, and host and port in {key}.connectionString.", fault);
}
