namespace FedCore.Training.Partitioning;

/// <summary>Which client has which rows.</summary>
public sealed class Partition
{
    private readonly int[] _rows;
    private readonly int[] _ends;

    /// <summary>A partition from lists of rows.</summary>
    /// <param name="clients">The rows of each client.</param>
    /// <param name="names">The clients' names, or null for numbers.</param>
    /// <exception cref="FedCoreException">A client has no row (<c>data.partition</c>).</exception>
    public Partition(IReadOnlyList<IReadOnlyList<int>> clients, IReadOnlyList<string>? names = null)
    {
        ArgumentNullException.ThrowIfNull(clients);
        Names = names;
        _ends = new int[clients.Count];
        _rows = new int[clients.Sum(rows => rows.Count)];
        int next = 0;
        for (int client = 0; client < clients.Count; client++)
        {
            if (clients[client].Count == 0)
            {
                throw FedCoreException.Configuration(
                    "data.partition", $"simulation.partition leaves client {Shown.Of(names?[client] ?? client.ToString(System.Globalization.CultureInfo.InvariantCulture))} without examples. "
                    + "Use fewer clients or a less skewed partition (a larger alpha, a smaller sigma).");
            }

            foreach (int row in clients[client]) _rows[next++] = row;
            _ends[client] = next;
        }
    }

    /// <summary>Number of clients.</summary>
    public int ClientCount => _ends.Length;

    /// <summary>The clients' names, or null for numbers.</summary>
    public IReadOnlyList<string>? Names { get; }

    /// <summary>The rows of a client.</summary>
    /// <param name="client">The client.</param>
    /// <returns>The rows, at least one.</returns>
    public Memory<int> RowsOf(int client)
    {
        int begin = client == 0 ? 0 : _ends[client - 1];
        return _rows.AsMemory(begin, _ends[client] - begin);
    }
}
