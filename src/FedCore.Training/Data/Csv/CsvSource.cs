using System.ComponentModel.DataAnnotations;
using CsvHelper;
using FedCore.Training.Data.Tables;

namespace FedCore.Training.Data.Csv;

/// <summary>
/// Tables in text files. Which columns are features and which is the label says the run's data contract (<c>data</c>); several files, or the values
/// of a column, are natural clients.
/// </summary>
public sealed class CsvSource : IDataSource
{
    /// <summary>A public data set that the files belong to, such as <c>heart-disease</c>; null for files of one's own.</summary>
    public string? Dataset { get; init; }

    /// <summary>The files. Each is a natural client with the file's name, unless <see cref="ClientColumn"/> says otherwise.</summary>
    [MinLength(1)]
    public required IReadOnlyList<string> Files { get; init; }

    /// <summary>The columns' names for files without a header line; null where the first line has them.</summary>
    [MinLength(1)]
    public IReadOnlyList<string>? Columns { get; init; }

    /// <summary>What stands between values.</summary>
    [StringLength(1, MinimumLength = 1)]
    public string Delimiter { get; init; } = ",";

    /// <summary>Texts that stand for a missing value, beside nothing at all.</summary>
    public IReadOnlyList<string> MissingTexts { get; init; } = ["?", "NA", "NaN"];

    /// <summary>Columns whose names differ from the features': feature name to column name.</summary>
    public IReadOnlyDictionary<string, string> Rename { get; init; } = new Dictionary<string, string>();

    /// <summary>The column whose values are the natural clients; null for none.</summary>
    public string? ClientColumn { get; init; }

    /// <inheritdoc/>
    public ValueTask<DataPool> LoadAsync(DataRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        var table = new ExampleTable(request, "files");
        ReadFiles(request.Folders, ReadRows, ct);
        return new ValueTask<DataPool>(table.ToPool());

        void ReadRows(CsvReader reader, IReadOnlyList<string> header, TableOrigin origin, TableOptions options)
        {
            TablePart part = table.Begin(origin, header, options);
            int rows = 0;
            for (; reader.Read(); rows++)
            {
                if (reader.FieldCount != header.Count)
                    throw origin.Fault(reader.LineNumber, $"the line has {reader.FieldCount} values, but there are {header.Count} columns. Correct the line, or {request.Key}.delimiter, which is '{Shown.Of(Delimiter)}'");
                part.Add(Record(reader), reader.LineNumber);
            }

            if (rows == 0) throw origin.Fault(1, $"the file has no examples{(Columns is null ? " below its header" : "")}. Add some, or take it out of {request.Key}.files");
        }
    }

    /// <inheritdoc/>
    public ValueTask CheckAsync(DataFolders folders, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(folders);
        ReadFiles(folders, (_, header, origin, options) => options.Check(origin, header, folders.Key), ct);
        return ValueTask.CompletedTask;
    }

    private void ReadFiles(DataFolders folders, Action<CsvReader, IReadOnlyList<string>, TableOrigin, TableOptions> read, CancellationToken ct)
    {
        CheckKeys(folders.Key);
        if (ClientColumn is null && Files.GroupBy(Path.GetFileNameWithoutExtension).FirstOrDefault(files => files.Count() > 1) is { } same)
        {
            throw FedCoreException.Configuration(
                "data.source", $"{folders.Key}.files: {string.Join(" and ", same.Select(file => Shown.Of(file)))} would be one client, '{Shown.Of(same.Key!)}'. Rename a file, or name the column of the clients with \"clientColumn\".");
        }

        for (int i = 0; i < Files.Count; i++)
        {
            ct.ThrowIfCancellationRequested();
            ReadFile(folders.Find(Files[i], Dataset, $"files[{i}]"), Path.GetFileNameWithoutExtension(Files[i]), read, folders.Key);
        }
    }

    private void CheckKeys(string key)
    {
        if (Delimiter.Length != 1 || Delimiter[0] == '"' || (char.IsControl(Delimiter[0]) && Delimiter[0] != '\t'))
        {
            throw FedCoreException.Configuration(
                "data.source", $"{key}.delimiter is '{Shown.Of(Delimiter)}', which cannot stand between values. Use one character such as \",\", \";\" or \"\\t\"; "
                + "quotation marks and line breaks have a meaning of their own in a table.");
        }
    }

    private void ReadFile(string path, string client, Action<CsvReader, IReadOnlyList<string>, TableOrigin, TableOptions> read, string key)
    {
        var origin = new TableOrigin("data.csv", path, line => $"{path} line {line}")
        {
            Header = Columns is null ? $"{path} line 1" : path,
            OneColumnHint = $"Should {key}.delimiter be another one?",
        };
        var columns = new TableOptions(client) { Rename = Rename, ClientColumn = ClientColumn, MissingTexts = MissingTexts };
        var options = new CsvReaderOptions
        {
            Separator = Delimiter[0],
            HasHeader = false,
            TrimWhitespace = true,
            TrackLineNumbers = true,
            SkipEmptyLines = true,
            MalformedData = CsvMalformedDataHandling.Throw,
            FieldCountMismatch = CsvFieldCountHandling.Allow,
        };
        try
        {
            using CsvReader reader = CsvReader.Create(File.OpenRead(path), options, leaveOpen: false);
            IReadOnlyList<string>? header = Columns;
            if (header is null)
            {
                if (!reader.Read()) throw origin.Fault(1, $"the file is empty; its first line must name the columns. Copy it again, or take it out of {key}.files");
                header = Record(reader);
            }

            read(reader, header, origin, columns);
        }
        catch (CsvFormatException fault)
        {
            throw origin.Fault($"{Shown.Of(fault.Message.TrimEnd('.'), 300)}. Correct the file: a quotation mark within a value is written twice", fault);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw origin.Fault($"the file cannot be read ({fault.Message.TrimEnd('.')}). Check that it is a file that you may read", fault);
        }
    }

    private static string[] Record(CsvReader reader)
    {
        string[] record = new string[reader.FieldCount];
        for (int i = 0; i < record.Length; i++) record[i] = reader.GetString(i);
        return record;
    }
}
