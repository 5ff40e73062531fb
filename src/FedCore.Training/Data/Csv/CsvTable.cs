using System.Globalization;
using FedCore.Models;
using FedCore.Models.Losses;
using FedCore.Rounds;

namespace FedCore.Training.Data.Csv;

/// <summary>Where a file has the features, the label and the client.</summary>
internal sealed record CsvColumns(int[] Features, int Label, int Client, IReadOnlyList<string> Names);

/// <summary>A table while it is read: numbers with NaN for what is missing, as the data contract lays them out.</summary>
internal sealed class CsvTable(DataContract contract, LabelPlan labelPlan)
{
    private readonly List<float> _features = [];
    private readonly List<float> _labels = [];
    private readonly Dictionary<string, List<int>> _groups = new(StringComparer.Ordinal);

    public CsvColumns Resolve(IReadOnlyList<string> header, IReadOnlyDictionary<string, string> rename, string? clientColumn, string path)
    {
        const string renamed = "the run's data section, or map the name with simulation.data.rename.";
        int Find(string name, string key)
        {
            string column = rename.GetValueOrDefault(name, name);
            int[] places = [.. Enumerable.Range(0, header.Count).Where(i => header[i] == column)];
            if (places.Length > 1) throw CsvSource.Fault(path, 1, $"{places.Length} columns are called '{Shown.Of(column)}'. Rename all but one");
            if (places.Length == 1) return places[0];
            throw FedCoreException.Configuration(
                "data.csv", $"{path}: there is no column '{Shown.Of(column)}'. The columns are: {Shown.List(header)}. "
                + (header.Count == 1 ? "Should simulation.data.delimiter be another one? Otherwise correct " : "Correct ") + key);
        }

        return new CsvColumns(
            [.. contract.Features.Select(feature => Find(feature.Name, renamed))],
            Find(contract.Label.Name, renamed),
            clientColumn is null ? -1 : Find(clientColumn, "simulation.data.clientColumn."),
            header);
    }

    public void Add(string[] record, CsvColumns columns, IReadOnlyList<string> missing, string client, string path, long line)
    {
        int start = _features.Count;
        for (int i = 0; i < contract.Features.Count; i++)
        {
            Feature feature = contract.Features[i];
            string text = record[columns.Features[i]], column = columns.Names[columns.Features[i]];
            if (text.Length == 0 || missing.Contains(text))
            {
                if (contract.Missing == MissingValues.DropExample)
                {
                    _features.RemoveRange(start, _features.Count - start);
                    return;
                }

                if (contract.Missing == MissingValues.Refuse)
                {
                    throw CsvSource.Fault(path, line, $"column '{Shown.Of(column)}' has no value ('{Shown.Of(text)}'). "
                        + "Set data.missing to dropExample, mean or zero, or complete the data");
                }

                for (int k = 0; k < feature.Width; k++) _features.Add(contract.Missing == MissingValues.Zero ? 0 : float.NaN);
            }
            else if (feature.Categories is { } categories)
            {
                AddCategory(feature, categories, text, column, path, line);
            }
            else
            {
                float value = (float)((Number(text, column, path, line) - feature.Center) / feature.Scale);
                if (!float.IsFinite(value))
                {
                    throw CsvSource.Fault(path, line, $"column '{Shown.Of(column)}' is '{Shown.Of(text)}', which is not finite behind center {feature.Center} and scale {feature.Scale}. "
                        + "Correct the value or the feature");
                }

                _features.Add(value);
            }
        }

        _labels.Add(LabelOf(record[columns.Label], columns.Names[columns.Label], path, line));
        string group = columns.Client < 0 ? client : record[columns.Client];
        if (group.Length == 0)
        {
            throw CsvSource.Fault(path, line, $"column '{Shown.Of(columns.Names[columns.Client])}', which names the clients (simulation.data.clientColumn), has no value. "
                + "Complete the data, or leave the line out");
        }

        if (!_groups.TryGetValue(group, out List<int>? rows)) _groups[group] = rows = [];
        rows.Add(_labels.Count - 1);
    }

    public DataPool ToPool(Shape input)
    {
        if (_labels.Count == 0)
            throw FedCoreException.Configuration("data.source", "simulation.data.files: no example is left, since in each a value is missing. Set data.missing to mean or zero.");
        var examples = new InMemoryExamples(input, [.. _features], [.. _labels]);
        bool prepares = contract.Standardize || contract.Missing == MissingValues.Mean;
        return new DataPool(examples, null, [.. _groups.Select(group => new ExampleGroup(group.Key, [.. group.Value]))])
        {
            Preparation = prepares ? new TabularPreparation(contract) : null,
        };
    }

    private void AddCategory(Feature feature, IReadOnlyList<string> categories, string text, string column, string path, long line)
    {
        int index = -1;
        for (int k = 0; k < categories.Count && index < 0; k++)
            if (SameCategory(categories[k], text)) index = k;
        if (index < 0)
        {
            throw CsvSource.Fault(path, line, $"column '{Shown.Of(column)}' is '{Shown.Of(text)}', which is none of the categories {Shown.List(categories)}. "
                + "Add it to the feature's categories, or correct the data");
        }

        for (int k = feature.DropFirst ? 1 : 0; k < categories.Count; k++) _features.Add(k == index ? 1 : 0);
    }

    // A category "1" is also written "1.0" by programs that keep everything as a float.
    private static bool SameCategory(string category, string text) => category == text
        || (double.TryParse(category, NumberStyles.Float, CultureInfo.InvariantCulture, out double a)
            && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double b) && a == b);

    private static double Number(string text, string column, string path, long line)
    {
        if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value))
            throw CsvSource.Fault(path, line, $"column '{Shown.Of(column)}' is '{Shown.Of(text)}', which is not a number. Correct it, or give the feature categories");
        if (!float.IsFinite((float)value)) throw CsvSource.Fault(path, line, $"column '{Shown.Of(column)}' is '{Shown.Of(text)}', which is not finite. Correct it");
        return value;
    }

    private float LabelOf(string text, string column, string path, long line)
    {
        Label label = contract.Label;
        if (label.Classes is { } classes)
        {
            for (int k = 0; k < classes.Count; k++)
                if (classes[k] == text) return k;
            throw CsvSource.Fault(path, line, $"the label '{Shown.Of(column)}' is '{Shown.Of(text)}', which is none of the classes {Shown.List(classes)}. "
                + "Add it to data.label.classes, or correct the data");
        }

        double value = Number(text, column, path, line);
        if (label.PositiveAbove is { } threshold) return value > threshold ? 1 : 0;
        if (labelPlan.Classes > 0 && (value < 0 || value >= labelPlan.Classes || value != Math.Floor(value)))
        {
            throw CsvSource.Fault(path, line, $"the label '{Shown.Of(column)}' is '{Shown.Of(text)}', but the model tells the classes 0 to {labelPlan.Classes - 1} apart. "
                + "Name the classes in data.label.classes, or use positiveAbove");
        }

        return (float)value;
    }
}
