using FedCore.Models.Losses;
using FedCore.Updates;

namespace FedCore.Rounds;

/// <summary>The metrics of a loss as sections of an update, and the means that follow from their sums.</summary>
public sealed class MetricLayout
{
    /// <summary>The section that counts examples.</summary>
    public const string Examples = "examples";

    /// <summary>The section that sums losses.</summary>
    public const string Loss = "loss";

    private readonly IReadOnlyList<LossMetric> _metrics;

    /// <summary>The metrics of a loss: its mean, and whatever else it sums.</summary>
    /// <param name="loss">The loss.</param>
    public MetricLayout(LossSpec loss)
    {
        ArgumentNullException.ThrowIfNull(loss);
        _metrics = [new LossMetric(Loss, Loss), .. loss.Metrics];
    }

    /// <summary>The names of the sums, <see cref="Examples"/> first, <see cref="Loss"/> second.</summary>
    public IReadOnlyList<string> SumNames => [Examples, .. _metrics.Select(metric => metric.Sum)];

    /// <summary>How a split's metrics are called.</summary>
    /// <param name="split">The split.</param>
    /// <returns>Empty for test examples, which are the ones that count.</returns>
    public static string Prefix(DataSplit split) => split == DataSplit.Test ? "" : "train";

    /// <summary>The sections of the sums.</summary>
    /// <param name="prefix">What their names begin with.</param>
    /// <returns>One section of one number per sum.</returns>
    public IEnumerable<Section> Sections(string prefix) => SumNames.Select(name => new Section(Name(prefix, name), SectionRole.Metric, 1));

    /// <summary>The metrics that are shares of the examples: the name of each sum and of its mean.</summary>
    public IEnumerable<LossMetric> Shares => _metrics.Where(metric => metric.IsShare);

    /// <summary>The names of the means.</summary>
    /// <param name="prefix">What they begin with.</param>
    /// <returns>Such as <c>loss</c>, <c>accuracy</c>.</returns>
    public IEnumerable<string> MeanNames(string prefix) => _metrics.Select(metric => Name(prefix, metric.Mean));

    /// <summary>Means from sums.</summary>
    /// <param name="sum">The sums.</param>
    /// <param name="sectionPrefix">What the sections' names begin with.</param>
    /// <param name="meanPrefix">What the means' names begin with.</param>
    /// <returns>Name and value; empty where there are no examples, or nobody sent sums over them.</returns>
    public IEnumerable<KeyValuePair<string, double>> Means(UpdateSum sum, string sectionPrefix, string meanPrefix)
    {
        ArgumentNullException.ThrowIfNull(sum);
        if (!sum.Layout.Has(Name(sectionPrefix, Examples))) yield break;
        double examples = sum.Scalar(Name(sectionPrefix, Examples));
        if (examples == 0) yield break;
        foreach (LossMetric metric in _metrics)
            yield return KeyValuePair.Create(Name(meanPrefix, metric.Mean), sum.Scalar(Name(sectionPrefix, metric.Sum)) / examples);
    }

    /// <summary>A prefix and a name in camel case: <c>train</c> and <c>loss</c> make <c>trainLoss</c>.</summary>
    /// <param name="prefix">The prefix, or empty.</param>
    /// <param name="name">The name.</param>
    /// <returns>The joined name.</returns>
    public static string Name(string prefix, string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return string.IsNullOrEmpty(prefix) ? name : prefix + char.ToUpperInvariant(name[0]) + name[1..];
    }
}
