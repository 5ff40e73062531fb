using FedCore.Models;
using FedCore.Naming;
using FedCore.Privacy;
using FedCore.Rounds;
using FedCore.Rounds.Privacy;
using FedCore.Updates;

namespace FedCore.Strategies.Statistics;

/// <summary>
/// A question in place of training: means, variances, histograms and quantiles of columns over all clients' training examples, and shares of categories, as sums with whatever protects sums of
/// updates. The model says what examples look like, and stays as it is.
/// </summary>
[Paper("Kairouz et al. 2021, Advances and Open Problems in Federated Learning", "https://arxiv.org/abs/1912.04977")]
public sealed class FederatedStatistics : IStrategy
{
    /// <summary>The name of the result that says how wide the noise is: its standard deviation in a share, and in ranges in a mean.</summary>
    public const string Noise = "noise";

    /// <summary>The columns.</summary>
    public IReadOnlyList<StatisticsColumn> Columns { get; init; } = [];

    /// <inheritdoc/>
    public bool IsLinear => true;

    /// <inheritdoc/>
    public bool TakesExampleMeans => true;

    /// <inheritdoc/>
    public void Check(RunDefinition run)
    {
        ArgumentNullException.ThrowIfNull(run);
        StatisticsMap map = MapFor(run);
        if (run.Rounds.Count != 1) throw Refused("rounds.count", $"is {run.Rounds.Count}, but a question is asked once. Set it to 1");
        if (run.Rounds.Buffer is not null) throw Refused("rounds.buffer", "is set, but a question is asked once. Leave it out");
        if (run.Evaluation.Every != 0) throw Refused("evaluation.every", "is above 0, but there is no model to evaluate. Set it to 0");
        if (run.Transforms.Count > 0) throw Refused("transforms", "leave numbers out, or round them. Leave transforms out");
        if (run.Data is { Standardize: true }) throw Refused("data.standardize", "makes every client's means 0 and deviations 1. Set it to false");
        if (run.Privacy is { } privacy && privacy.Clip < map.Bound)
        {
            throw FedCoreException.Configuration("privacy.clip", FormattableString.Invariant(
                $"privacy.clip is {privacy.Clip}, but what one {(privacy.Unit == PrivacyUnit.Client ? "client" : "example")} adds to these statistics has a norm of up to {map.Bound:0.####}. Set it to {Math.Ceiling(map.Bound * 1e4) / 1e4}."));
        }
    }

    /// <inheritdoc/>
    public UpdateLayout Layout(ModelSchema schema)
    {
        ArgumentNullException.ThrowIfNull(schema);
        throw new NotSupportedException($"The layout follows from the run, not from the model: {nameof(LayoutFor)}.");
    }

    /// <inheritdoc/>
    public UpdateLayout LayoutFor(RunDefinition run, ModelSchema schema) => new(new Section(Section.Model, SectionRole.Model, MapFor(run).Length, Weighting.Scalar));

    /// <inheritdoc/>
    public ClientTask Plan(RoundContext round, ClientDescriptor client)
    {
        ArgumentNullException.ThrowIfNull(round);
        return round.StandardTask with { Work = new LocalWork(0, 1) };
    }

    /// <inheritdoc/>
    public IClientAlgorithm CreateClientAlgorithm(ClientTask task) => new Algorithm(this);

    /// <inheritdoc/>
    public void Apply(UpdateSum sum, RoundContext round, ServerState state)
    {
    }

    /// <inheritdoc/>
    public IEnumerable<KeyValuePair<string, double>> Results(UpdateSum sum, RoundContext round)
    {
        ArgumentNullException.ThrowIfNull(sum);
        ArgumentNullException.ThrowIfNull(round);
        RunDefinition run = round.Run.Definition;
        double weight = sum.Weight;

        // What clients weigh is how many examples they have, unless they weigh the same, or no more than a limit.
        IEnumerable<KeyValuePair<string, double>> examples = round.StandardTask.Weighting is { Uniform: false, MaxExamples: 0 } ? [KeyValuePair.Create("examples", weight)] : [];
        // On the mean of what is at most 1/2 in size, such as a distance from the middle of a range, or a share.
        IEnumerable<KeyValuePair<string, double>> noise = DeviationOf(round.Run.Privacy, sum, examples.Any()) is { } deviation ? [KeyValuePair.Create(Noise, deviation)] : [];
        return examples.Concat(noise).Concat(MapFor(run).Columns.SelectMany(column => column.Results(i => sum.Slice(Section.Model, i, 1)[0] / weight)));
    }

    // Of each site's noise the aggregator knows how wide it is where sites weigh as much as they have examples: then each adds as much to the sum.
    private static double? DeviationOf(RunPrivacy? privacy, UpdateSum sum, bool areExamplesKnown) => privacy switch
    {
        null => null,
        { IsAtSites: true } => areExamplesKnown ? privacy.NoiseMultiplier * privacy.Policy.Clip * Math.Sqrt(sum.Contributors) / sum.Weight : null,
        _ => privacy.NoiseMultiplier * privacy.Policy.Clip / sum.Weight,
    };

    private StatisticsMap MapFor(RunDefinition run) => StatisticsMap.Of(Columns, run);

    private static FedCoreException Refused(string place, string why) => FedCoreException.Configuration("run.strategy", $"strategy statistics: {place} {why}.");

    private sealed class Algorithm(FederatedStatistics query) : IClientAlgorithm
    {
        public ValueTask RunAsync(IClientContext context, Update update, CancellationToken ct)
        {
            ArgumentNullException.ThrowIfNull(context);
            ArgumentNullException.ThrowIfNull(update);
            update.Weight = context.Task.Weighting.Of(context.ExampleCount);
            StatisticsMap map = query.MapFor(context.Run);
            context.WriteExampleMean(map, update.Vector(Section.Model, 0, map.Length));
            return ValueTask.CompletedTask;
        }
    }
}
