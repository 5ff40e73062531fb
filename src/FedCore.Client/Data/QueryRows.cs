using System.Data.Common;
using FedCore.Training.Data.Tables;

namespace FedCore.Client.Data;

/// <summary>Reads the rows of a query into a table, one by one.</summary>
internal static class QueryRows
{
    /// <summary>The reason code of faults in a query or in what it gives.</summary>
    public const string FaultCode = "data.query";

    /// <summary>A value of the row that the reader is at, as text in the invariant culture; null for none.</summary>
    public delegate string? CellReader(int column, long row);

    /// <summary>What messages call a query's table and its rows.</summary>
    public static TableOrigin Origin(string name) => new(FaultCode, name, row => $"{name}: row {row} of the query");

    /// <summary>Reads all rows.</summary>
    /// <param name="reader">The rows.</param>
    /// <param name="part">Takes them.</param>
    /// <param name="origin">What messages call them.</param>
    /// <param name="cell">Reads a value.</param>
    /// <param name="key">Where the query is written down, for messages.</param>
    /// <param name="ct">Cancels the reading.</param>
    public static async ValueTask ReadAsync(DbDataReader reader, TablePart part, TableOrigin origin, CellReader cell, string key, CancellationToken ct)
    {
        int[] used = [.. part.UsedColumns];
        string?[] record = new string?[reader.FieldCount];
        long row = 0;
        while (await reader.ReadAsync(ct).ConfigureAwait(false))
        {
            ct.ThrowIfCancellationRequested();
            row++;
            foreach (int column in used) record[column] = cell(column, row);
            part.Add(record, row);
        }

        if (row == 0) throw origin.Fault($"the query gives no rows. Correct {key}");
    }

    /// <summary>The names of a reader's columns.</summary>
    public static string[] ColumnsOf(DbDataReader reader) => [.. Enumerable.Range(0, reader.FieldCount).Select(reader.GetName)];
}
