namespace FedCore.Training.Data.Tables;

/// <summary>What the faults of a table call the place that is wrong.</summary>
/// <param name="Code">The reason code of faults in the table, such as <c>data.csv</c>.</param>
/// <param name="Name">The table, such as a file's path.</param>
/// <param name="Record">A record by its number, such as <c>patients.csv line 17</c> or <c>patients.db: row 17 of the query</c>.</param>
public sealed record TableOrigin(string Code, string Name, Func<long, string> Record)
{
    /// <summary>Where the columns' names stand.</summary>
    public string Header { get; init; } = Name;

    /// <summary>What to ask where a column is not there and the table has one alone, such as whether the delimiter is another one; null for nothing.</summary>
    public string? OneColumnHint { get; init; }

    /// <summary>A fault in a record.</summary>
    /// <param name="record">The record's number, as <see cref="Record"/> takes it.</param>
    /// <param name="what">What is wrong, and the remedy, without the last full stop.</param>
    /// <returns>The exception, to be thrown.</returns>
    public FedCoreException Fault(long record, string what) => FaultAt(Record(record), what);

    /// <summary>A fault in the table as a whole.</summary>
    /// <param name="what">What is wrong, and the remedy, without the last full stop.</param>
    /// <param name="cause">The cause, if another fault is.</param>
    /// <returns>The exception, to be thrown.</returns>
    public FedCoreException Fault(string what, Exception? cause = null) => FaultAt(Name, what, cause);

    internal int Find(IReadOnlyList<string> columns, string column, string remedy)
    {
        int[] places = [.. Enumerable.Range(0, columns.Count).Where(i => columns[i] == column)];
        if (places.Length > 1) throw FaultAt(Header, $"{places.Length} columns are called '{Shown.Of(column)}'. Rename all but one");
        if (places.Length == 1) return places[0];
        throw FedCoreException.Configuration(
            Code, $"{Name}: there is no column '{Shown.Of(column)}'. The columns are: {Shown.List(columns)}. "
            + (columns.Count == 1 && OneColumnHint is { } hint ? $"{hint} Otherwise correct " : "Correct ") + remedy);
    }

    internal FedCoreException FaultAt(string place, string what, Exception? cause = null) => FedCoreException.Configuration(Code, $"{place}: {what}.", cause);
}
