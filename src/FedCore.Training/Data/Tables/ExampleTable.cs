using FedCore.Rounds;

namespace FedCore.Training.Data.Tables;

/// <summary>
/// Makes examples of records of text, from wherever they come: numbers as the run's data contract lays them out, with the natural clients that they belong to.
/// A table may have several parts, such as files, which have their columns in an order of their own.
/// </summary>
public sealed class ExampleTable
{
    private readonly RunPlan _run;
    private readonly string _key;
    private readonly List<float> _features = [];
    private readonly List<float> _labels = [];
    private readonly Dictionary<string, List<int>> _groups = new(StringComparer.Ordinal);
    private float[]? _lastLeftOut;
    private string _clientOfLastLeftOut = "";
    private int _unfit;

    /// <summary>An empty table.</summary>
    /// <param name="request">What the run needs.</param>
    /// <param name="property">The source's property that says what is read, such as <c>files</c>, for messages.</param>
    /// <exception cref="FedCoreException">The run has no data contract (<c>data.contract</c>).</exception>
    public ExampleTable(DataRequest request, string property)
    {
        ArgumentNullException.ThrowIfNull(request);
        _run = request.Run;
        _key = $"{request.Key}.{property}";
        Key = request.Key;
        Contract = _run.Definition.Data ?? throw FedCoreException.Configuration(
            "data.contract", "A table needs a contract that says which columns are features and which is the label. Add a \"data\" section to the run.");
    }

    internal string Key { get; }

    /// <summary>Whether the run promises that what it shows of a site's records is bounded.</summary>
    internal bool IsPrivate => _run.Privacy is not null;

    internal DataContract Contract { get; }

    /// <summary>Begins a part of the table.</summary>
    /// <param name="origin">What messages call it.</param>
    /// <param name="columns">The names of its columns.</param>
    /// <param name="options">How its columns are to be understood.</param>
    /// <returns>What takes its records.</returns>
    /// <exception cref="FedCoreException">A column is not there, or twice; the message lists those that are.</exception>
    public TablePart Begin(TableOrigin origin, IReadOnlyList<string> columns, TableOptions options)
    {
        ArgumentNullException.ThrowIfNull(origin);
        ArgumentNullException.ThrowIfNull(columns);
        ArgumentNullException.ThrowIfNull(options);
        return new TablePart(this, origin, columns, options, _run.Model.Label);
    }

    /// <summary>The examples of all parts.</summary>
    /// <returns>The examples, their natural clients, and how a client prepares its own.</returns>
    /// <exception cref="FedCoreException">There are none (<c>data.source</c>).</exception>
    public DataPool ToPool()
    {
        if (_labels.Count == 0 && IsPrivate && _lastLeftOut is not null) Add(_lastLeftOut, 0, _clientOfLastLeftOut);
        if (_labels.Count == 0)
            throw FedCoreException.Configuration("data.source", $"{_key}: no example is left, since in each a value is missing. Set the run's data.missing to mean or zero.");
        var examples = new InMemoryExamples(_run.Model.Input, [.. _features], [.. _labels]);
        bool prepares = Contract.Standardize || Contract.Missing == MissingValues.Mean;
        return new DataPool(examples, null, [.. _groups.Select(group => new ExampleGroup(group.Key, [.. group.Value]))])
        {
            Preparation = prepares ? new TabularPreparation(Contract, _key, IsPrivate) : null,
            UnfitCount = _unfit,
        };
    }

    // Where single examples are hidden the record keeps its place.
    internal void AddUnfit(float[] features, string client)
    {
        _unfit++;
        if (_run.Privacy is { IsAtSites: true }) Add(features, 0, client);
        else LeaveOut(features, client);
    }

    // Whether any other is there is not for a run to know that promises privacy: then one that was left out stands for all.
    internal void LeaveOut(float[] features, string client) => (_lastLeftOut, _clientOfLastLeftOut) = (features, client);

    internal void Add(ReadOnlySpan<float> features, float label, string client)
    {
        _features.AddRange(features);
        _labels.Add(label);
        if (!_groups.TryGetValue(client, out List<int>? rows)) _groups[client] = rows = [];
        rows.Add(_labels.Count - 1);
    }
}

/// <summary>How the columns of a part of a table are to be understood.</summary>
/// <param name="Client">The natural client that its records belong to, where no column says so.</param>
public sealed record TableOptions(string Client)
{
    /// <summary>Columns whose names differ from the features': feature name to column name.</summary>
    public IReadOnlyDictionary<string, string> Rename { get; init; } = new Dictionary<string, string>();

    /// <summary>The column whose values are the natural clients; null for none.</summary>
    public string? ClientColumn { get; init; }

    /// <summary>Texts that stand for a missing value, beside nothing at all.</summary>
    public IReadOnlyList<string> MissingTexts { get; init; } = [];

    /// <summary>Looks whether the columns are there that these options name: of the others only a run knows which it needs.</summary>
    /// <param name="origin">What messages call the table.</param>
    /// <param name="columns">The names of its columns.</param>
    /// <param name="key">Where the source is written down, for messages.</param>
    /// <exception cref="FedCoreException">A column is not there, or twice; the message lists those that are.</exception>
    public void Check(TableOrigin origin, IReadOnlyList<string> columns, string key)
    {
        ArgumentNullException.ThrowIfNull(origin);
        ArgumentNullException.ThrowIfNull(columns);
        foreach ((string feature, string column) in Rename) origin.Find(columns, column, $"{key}.rename, which maps '{Shown.Of(feature)}' to it.");
        if (ClientColumn is { } client) origin.Find(columns, client, $"{key}.clientColumn.");
    }
}
