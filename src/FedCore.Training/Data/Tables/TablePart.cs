using System.Globalization;
using FedCore.Models.Losses;
using FedCore.Rounds;

namespace FedCore.Training.Data.Tables;

/// <summary>A part of a table while it is read: where its columns are, and how a record becomes an example.</summary>
public sealed class TablePart
{
    private readonly ExampleTable _table;
    private readonly TableOrigin _origin;
    private readonly IReadOnlyList<string> _columns;
    private readonly TableOptions _options;
    private readonly LabelPlan _labelPlan;
    private readonly int[] _features;
    private readonly int _label, _client;
    private readonly float[] _values;
    private int _count;

    internal TablePart(ExampleTable table, TableOrigin origin, IReadOnlyList<string> columns, TableOptions options, LabelPlan labelPlan)
    {
        (_table, _origin, _columns, _options, _labelPlan) = (table, origin, columns, options, labelPlan);
        string renamed = $"the run's data section, or map the name with {table.Key}.rename.";
        _features = [.. table.Contract.Features.Select(feature => Find(feature.Name, renamed))];
        _label = Find(table.Contract.Label.Name, renamed);
        _client = options.ClientColumn is { } client ? Find(client, $"{table.Key}.clientColumn.") : -1;
        _values = new float[table.Contract.Features.Sum(feature => feature.Width)];
    }

    /// <summary>The columns that are read, by their places among all: of the others the values do not matter.</summary>
    public IEnumerable<int> UsedColumns => _features.Append(_label).Concat(_client < 0 ? [] : [_client]).Distinct();

    private DataContract Contract => _table.Contract;

    /// <summary>Takes a record.</summary>
    /// <param name="record">Its values in the order of the columns, numbers in the invariant culture; null for a missing one.</param>
    /// <param name="number">Its number, for messages.</param>
    /// <exception cref="FedCoreException">A value is not as the run's data contract says; the message names record, column, value and remedy.</exception>
    public void Add(IReadOnlyList<string?> record, long number)
    {
        ArgumentNullException.ThrowIfNull(record);
        try
        {
            Read(record, number);
        }
        catch (FedCoreException) when (_table.IsPrivate)
        {
            // Which records fit is for the run to say, and whether all of them do is not for the run to know: one that does not counts as none.
            Array.Fill(_values, float.NaN);
            _table.AddUnfit(_values, ClientOf(record, number));
        }
    }

    private void Read(IReadOnlyList<string?> record, long number)
    {
        _count = 0;
        for (int i = 0; i < _features.Length; i++)
        {
            Feature feature = Contract.Features[i];
            string text = record[_features[i]] ?? "", column = _columns[_features[i]];
            if (text.Length == 0 || _options.MissingTexts.Contains(text))
            {
                if (Contract.Missing == MissingValues.DropExample)
                {
                    // Nothing else of it is looked at, nor whose it is.
                    Array.Fill(_values, float.NaN);
                    _table.LeaveOut(_values, _options.Client);
                    return;
                }

                AddMissing(feature, text, column, number);
            }
            else if (feature.Categories is { } categories)
            {
                AddCategory(feature, categories, text, column, number);
            }
            else
            {
                AddNumber(feature, text, column, number);
            }
        }

        _table.Add(_values, LabelOf(record[_label] ?? "", number), ClientOf(record, number));
    }

    private int Find(string name, string remedy) => _origin.Find(_columns, _options.Rename.GetValueOrDefault(name, name), remedy);

    private void AddMissing(Feature feature, string text, string column, long number)
    {
        if (Contract.Missing == MissingValues.Refuse)
        {
            throw _origin.Fault(number, $"column '{Shown.Of(column)}' has no value ('{Shown.Of(text)}'). "
                + "Set the run's data.missing to dropExample, mean or zero, or complete the data");
        }

        for (int k = 0; k < feature.Width; k++) _values[_count++] = Contract.Missing == MissingValues.Zero ? 0 : float.NaN;
    }

    private void AddNumber(Feature feature, string text, string column, long number)
    {
        float value = (float)((Number(text, column, number) - feature.Center) / feature.Scale);
        if (!float.IsFinite(value))
        {
            throw _origin.Fault(number, $"column '{Shown.Of(column)}' is '{Shown.Of(text)}', which is not finite behind center {feature.Center} and scale {feature.Scale}. "
                + "Correct the value or the feature");
        }

        _values[_count++] = value;
    }

    private void AddCategory(Feature feature, IReadOnlyList<string> categories, string text, string column, long number)
    {
        int index = -1;
        for (int k = 0; k < categories.Count && index < 0; k++)
            if (SameCategory(categories[k], text)) index = k;
        if (index < 0)
        {
            throw _origin.Fault(number, $"column '{Shown.Of(column)}' is '{Shown.Of(text)}', which is none of the categories {Shown.List(categories)}. "
                + "Add it to the feature's categories, or correct the data");
        }

        for (int k = feature.DropFirst ? 1 : 0; k < categories.Count; k++) _values[_count++] = k == index ? 1 : 0;
    }

    // A category "1" is also written "1.0" by programs that keep everything as a float.
    private static bool SameCategory(string category, string text) => category == text
        || (double.TryParse(category, NumberStyles.Float, CultureInfo.InvariantCulture, out double a)
            && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double b) && a == b);

    private double Number(string text, string column, long number)
    {
        if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value))
            throw _origin.Fault(number, $"column '{Shown.Of(column)}' is '{Shown.Of(text)}', which is not a number. Correct it, or give the feature categories");
        if (!float.IsFinite((float)value)) throw _origin.Fault(number, $"column '{Shown.Of(column)}' is '{Shown.Of(text)}', which is not finite. Correct it");
        return value;
    }

    private float LabelOf(string text, long number)
    {
        string column = _columns[_label];
        Label label = Contract.Label;
        if (label.Classes is { } classes)
        {
            for (int k = 0; k < classes.Count; k++)
                if (classes[k] == text) return k;
            throw _origin.Fault(number, $"the label '{Shown.Of(column)}' is '{Shown.Of(text)}', which is none of the classes {Shown.List(classes)}. "
                + "Add it to the run's data.label.classes, or correct the data");
        }

        double value = Number(text, column, number);
        if (label.PositiveAbove is { } threshold) return value > threshold ? 1 : 0;
        if (_labelPlan.Classes > 0 && (value < 0 || value >= _labelPlan.Classes || value != Math.Floor(value)))
        {
            throw _origin.Fault(number, $"the label '{Shown.Of(column)}' is '{Shown.Of(text)}', but the model tells the classes 0 to {_labelPlan.Classes - 1} apart. "
                + "Name the classes in the run's data.label.classes, or use positiveAbove");
        }

        return (float)value;
    }

    private string ClientOf(IReadOnlyList<string?> record, long number)
    {
        if (_client < 0) return _options.Client;
        return record[_client] is { Length: > 0 } client ? client : throw _origin.Fault(
            number, $"column '{Shown.Of(_columns[_client])}', which names the clients ({_table.Key}.clientColumn), has no value. Complete the data, or leave the record out");
    }
}
