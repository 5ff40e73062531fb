using Npgsql;
using NpgsqlTypes;

namespace FedCore.Aggregator.Journal;

/// <summary>Events as columns, which a statement takes as arrays.</summary>
internal sealed class PostgresBatch(IReadOnlyList<NewEvent> events)
{
    /// <summary>The events as a table expression, for a command of <see cref="Command"/>.</summary>
    public const string Rows = "unnest($1, $2, $3, $4, $5) AS batch(stream, sequence, at, kind, body)";

    private readonly string[] _streams = [.. events.Select(e => e.Stream)], _kinds = [.. events.Select(e => e.Event.Kind)], _bodies = [.. events.Select(e => e.Event.Json)];
    private readonly long[] _sequences = [.. events.Select(e => e.Event.Sequence)];
    private readonly DateTimeOffset[] _times = [.. events.Select(e => e.Event.At)];

    /// <summary>How many events there are.</summary>
    public int Count => _streams.Length;

    /// <summary>A command over <see cref="Rows"/>.</summary>
    public NpgsqlCommand Command(string sql, NpgsqlConnection connection)
    {
        var command = new NpgsqlCommand(sql, connection);
        Add(NpgsqlDbType.Text, _streams);
        Add(NpgsqlDbType.Bigint, _sequences);
        Add(NpgsqlDbType.TimestampTz, _times);
        Add(NpgsqlDbType.Text, _kinds);
        Add(NpgsqlDbType.Text, _bodies);
        return command;

        void Add<T>(NpgsqlDbType type, T[] values) => command.Parameters.Add(new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Array | type, Value = values });
    }
}
