using FedCore.Aggregation;
using FedCore.Aggregation.Robust;
using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Core.Tests.Aggregation.Robust;

/// <summary>Every rule against its definition in double precision, on updates of which some are far off.</summary>
public class RobustAggregatorTests
{
    // Several blocks of 1,024 columns, and a part of one.
    private const int Length = 3001;

    public static TheoryData<string, int> Cases
    {
        get
        {
            var cases = new TheoryData<string, int>();
            foreach (string rule in Rules.Keys)
                foreach (int count in (int[])[3, 4, 7, 8, 20, 21, 33]) cases.Add(rule, count);
            return cases;
        }
    }

    public static TheoryData<string> Names => [.. Rules.Keys];

    private static readonly Dictionary<string, (RobustAggregator Rule, Func<double[][], int, double[]> Definition)> Rules = new()
    {
        ["median"] = (new CoordinateMedian(), (x, _) => Columns(x, column => (column[(column.Length - 1) / 2] + column[column.Length / 2]) / 2)),
        ["trimmed mean"] = (new TrimmedMean(), (x, f) => Columns(x, column => column[f..^f].Average())),
        ["krum"] = (new Krum { Share = 0.1 }, (x, f) => x[ByKrum(x, f, 1)[0]]),
        ["multi-krum"] = (new MultiKrum { Share = 0.1 }, (x, f) => Mean(x, ByKrum(x, f, x.Length - f))),
        ["multi-krum of 3"] = (new MultiKrum { Byzantine = 0, Averaged = 3 }, (x, _) => Mean(x, ByKrum(x, 0, 3))),
        ["bulyan"] = (new Bulyan { Share = 0.15 }, ByBulyan),
        ["geometric median"] = (new GeometricMedian { Tolerance = 0, Iterations = 8 }, (x, _) => Weiszfeld(x, 8)),
        ["norm clipping"] = (new NormClipping(), (x, _) => Clipped(x, null)),
        ["norm clipping to 5"] = (new NormClipping { Norm = 5 }, (x, _) => Clipped(x, 5)),
    };

    // Single precision: a few dozen roundings of 6e-8 in numbers of some ten, and the factor of the weight.
    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_rule_gives_what_its_definition_says(string name, int count)
    {
        (RobustAggregator rule, Func<double[][], int, double[]> definition) = Rules[name];
        FakeUpdate[] updates = Updates(count);
        int byzantine = (rule as ByzantineAggregator)?.ByzantineOf(count) ?? 0;
        Assert.Null(rule.FaultFor(FakeUpdate.Layout(Length), count));
        double[] expected = definition([.. updates.Select(update => update.Values.Select(value => value / update.Scalars[0]).ToArray())], byzantine);
        (float[] sum, double weight) = await SumAsync(rule, updates, 2);
        for (int i = 0; i < Length; i++) Assert.Equal(expected[i], sum[i] / weight, 2e-5 * Math.Max(1, Math.Abs(expected[i])));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task The_bits_do_not_depend_on_the_number_of_threads(string name)
    {
        RobustAggregator rule = Rules[name].Rule;
        (float[] one, _) = await SumAsync(rule, Updates(21), 1);
        foreach (int threads in (int[])[2, 3, 8]) Assert.Equal(one, (await SumAsync(rule, Updates(21), threads)).Sum);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Refused_updates_are_as_if_they_had_never_been_there(string name)
    {
        RobustAggregator rule = Rules[name].Rule;
        FakeUpdate[] usable = Updates(20);
        FakeUpdate nan = new([.. Enumerable.Repeat(1f, Length - 1), float.NaN], [1, 0]), weightless = new(new float[Length], [0, 0]);
        FakeUpdate negative = new(new float[Length], [-1, 0]), closed = new(new float[Length], [1, 0], _ => throw new UpdateRefusedException("test.code", "no"));
        FakeUpdate[] all = [nan, .. usable[..7], weightless, negative, .. usable[7..], closed];
        (float[] expected, _) = await SumAsync(rule, usable, 2);
        using var pool = new FlatVectorPool();
        using var resources = new AggregationResources(2, pool);
        AggregationResult result = await rule.AggregateAsync(FakeUpdate.Layout(Length), all, resources, TestContext.Current.CancellationToken);
        Assert.Equal(expected, result.Sum.Vector.AsSpan().ToArray());
        Assert.Equal(
            [(0, "update.not-finite"), (8, "update.weight"), (9, "update.weight"), (23, "test.code")], result.Refused.Select(refused => (refused.Index, refused.Reason.Code)));
        Assert.Equal(20, result.Sum.Contributors);
        Assert.All(all, update => Assert.Equal(0, update.Open));
    }

    public static TheoryData<RobustAggregator> Withstanding =>
    [
        new CoordinateMedian(), new TrimmedMean { Byzantine = 3 }, new Krum { Byzantine = 3 }, new MultiKrum { Byzantine = 3 }, new Bulyan { Byzantine = 3 },
        new GeometricMedian(), new NormClipping(),
    ];

    // The least is norm clipping's: of 21 updates of one norm 18 point forward and 3 back, which makes (18 - 3) / 21 = 0.71.
    [Theory]
    [MemberData(nameof(Withstanding))]
    public async Task Three_updates_of_twenty_one_that_are_huge_lead_the_mean_away_but_not_the_estimate(RobustAggregator rule)
    {
        FakeUpdate[] updates = [.. Enumerable.Range(0, 21).Select(i =>
        {
            RandomStream random = Statistics.Stream("honest", i);
            return new FakeUpdate([.. Enumerable.Range(0, Length).Select(_ => (float)((i % 7 == 3 ? -1e6 : 1) * (1 + 0.1 * random.NextNormal())))], [1, 0]);
        })];
        (float[] sum, double weight) = await SumAsync(rule, updates, 2);
        (float[] mean, double meanWeight) = await SumAsync(new WeightedMean(), updates, 2);
        Assert.All(mean, value => Assert.True(value / meanWeight < -1e5));
        Assert.All(sum, value => Assert.InRange(value / weight, 0.5, 1.5));
    }

    // It ends where a step gains less than a millionth; what all further ones would gain, where each gains half of the one before, is as much again.
    [Theory]
    [InlineData(7)]
    [InlineData(21)]
    public async Task The_geometric_median_ends_where_nothing_more_is_gained(int count)
    {
        FakeUpdate[] updates = Updates(count);
        double[][] x = [.. updates.Select(update => update.Values.Select(value => value / update.Scalars[0]).ToArray())];
        (float[] sum, double weight) = await SumAsync(new GeometricMedian(), updates, 2);
        double[] found = [.. sum.Select(value => value / weight)], best = Weiszfeld(x, 1000);
        Assert.InRange(x.Sum(row => Math.Sqrt(Distance(row, found))) / x.Sum(row => Math.Sqrt(Distance(row, best))) - 1, -1e-6, 2e-6);
    }

    [Fact]
    public async Task A_weight_that_a_client_makes_up_does_not_decide_the_sum()
    {
        FakeUpdate[] updates = [.. Enumerable.Range(0, 9).Select(i => new FakeUpdate([.. Enumerable.Repeat(i == 4 ? 1e12f : 2f, Length)], [i == 4 ? 1e12 : 2, 0]))];
        (float[] sum, double weight) = await SumAsync(new CoordinateMedian(), updates, 1);
        Assert.Equal((18, 18f), (weight, sum[0]));
    }

    // A strategy's own numbers: of three clients, weighted 10, 20 and 40, the values 1, 2 and 900; and 5, 6, 7 unweighted.
    [Fact]
    public async Task Numbers_that_decide_are_estimated_by_their_median_and_metrics_are_summed()
    {
        var layout = new UpdateLayout(
            new Section(Section.Model, SectionRole.Model, 2, Weighting.Scalar), new Section("steps", SectionRole.Statistic, 1, Weighting.Scalar),
            new Section("normalizer", SectionRole.Statistic, 1), new Section(Section.Weight, SectionRole.Weight, 1), new Section("loss", SectionRole.Metric, 1));
        FakeUpdate[] updates = [new([10, 10], [10, 5, 10, 1]), new([40, 40], [40, 6, 20, 2]), new([120, 120], [36_000, 7, 40, 3])];
        using var pool = new FlatVectorPool();
        using var resources = new AggregationResources(1, pool);
        UpdateSum sum = (await new CoordinateMedian().AggregateAsync(layout, updates, resources, TestContext.Current.CancellationToken)).Sum;
        Assert.Equal((60, 120, 18, 6), (sum.Weight, sum.Scalar("steps"), sum.Scalar("normalizer"), sum.Scalar("loss")));
        Assert.Equal(120, sum.Slice("model", 0, 1)[0]);
    }

    [Theory]
    [InlineData(typeof(TrimmedMean), 2, 4, "n > 2f", 5)]
    [InlineData(typeof(Krum), 2, 6, "n > 2f + 2", 7)]
    [InlineData(typeof(MultiKrum), 4, 10, "n > 2f + 2", 11)]
    [InlineData(typeof(Bulyan), 4, 18, "n >= 4f + 3", 19)]
    public void Too_few_updates_for_f_are_refused_by_the_inequality_that_fails(Type type, int byzantine, int updates, string inequality, int needed)
    {
        var rule = (ByzantineAggregator)Activator.CreateInstance(type)!;
        type.GetProperty(nameof(ByzantineAggregator.Byzantine))!.SetValue(rule, byzantine);
        string fault = rule.FaultFor(FakeUpdate.Layout(2), updates)!;
        Assert.Equal($"it needs {inequality}: with f = {byzantine} that is n >= {needed}, but n is {updates}", fault);
        Assert.Null(rule.FaultFor(FakeUpdate.Layout(2), needed));
    }

    [Fact]
    public void More_updates_to_average_than_there_are_are_refused() =>
        Assert.Equal("it needs n >= m: m (averaged) is 9, but n is 8", new MultiKrum { Byzantine = 1, Averaged = 9 }.FaultFor(FakeUpdate.Layout(2), 8));

    // In binary fractions 0.29 of 100 is a little less than 29.
    [Theory]
    [InlineData(0.2, 20, 4)]
    [InlineData(0.29, 100, 29)]
    [InlineData(0.1, 9, 0)]
    public void A_share_is_rounded_down(double share, int updates, int byzantine) => Assert.Equal(byzantine, new Bulyan { Share = share }.ByzantineOf(updates));

    [Theory]
    [InlineData(typeof(Krum))]
    [InlineData(typeof(MultiKrum))]
    [InlineData(typeof(Bulyan))]
    [InlineData(typeof(GeometricMedian))]
    [InlineData(typeof(NormClipping))]
    public void A_rule_by_the_models_change_refuses_updates_with_another_vector(Type type)
    {
        var rule = (RobustAggregator)Activator.CreateInstance(type)!;
        Assert.Contains("vector 'control'", rule.FaultFor(FakeUpdate.Layout(2).With(new Section("control", SectionRole.Control, 2)), 50)!, StringComparison.Ordinal);
        Assert.Null(rule.FaultFor(FakeUpdate.Layout(2), 50));
    }

    [Fact]
    public async Task With_too_few_usable_updates_the_sum_weighs_nothing()
    {
        using var pool = new FlatVectorPool();
        using var resources = new AggregationResources(1, pool);
        AggregationResult result = await new Krum { Byzantine = 5 }.AggregateAsync(FakeUpdate.Layout(Length), Updates(8), resources, TestContext.Current.CancellationToken);
        Assert.Equal((0, 0f), (result.Sum.Weight, result.Sum.Vector.AsSpan().ToArray().Max()));
    }

    private static async Task<(float[] Sum, double Weight)> SumAsync(IAggregator rule, FakeUpdate[] updates, int threads)
    {
        using var pool = new FlatVectorPool();
        using var resources = new AggregationResources(threads, pool);
        AggregationResult result = await rule.AggregateAsync(FakeUpdate.Layout(Length), updates, resources, TestContext.Current.CancellationToken);
        return (result.Sum.Vector.AsSpan().ToArray(), result.Sum.Weight);
    }

    // Of different weights; every fifth is far off.
    private static FakeUpdate[] Updates(int count) => [.. Enumerable.Range(0, count).Select(i =>
    {
        RandomStream random = Statistics.Stream("update", i);
        double weight = 1 + i % 4, scale = i % 5 == 2 ? 10 : 1;
        return new FakeUpdate([.. Enumerable.Range(0, Length).Select(_ => (float)(weight * scale * random.NextNormal()))], [weight, 1]);
    })];

    private static double[] Columns(double[][] x, Func<double[], double> ofSorted) =>
        [.. Enumerable.Range(0, x[0].Length).Select(column => ofSorted([.. x.Select(row => row[column]).Order()]))];

    private static double[] Mean(double[][] x, IEnumerable<int> rows)
    {
        double[][] taken = [.. rows.Select(row => x[row])];
        return Columns(taken, column => column.Average());
    }

    private static double Distance(double[] a, double[] b) => a.Zip(b, (p, q) => (p - q) * (p - q)).Sum();

    private static int[] ByKrum(double[][] x, int f, int count)
    {
        int neighbours = Math.Max(1, x.Length - f - 2);
        return [.. Enumerable.Range(0, x.Length).OrderBy(i => x.Where((_, j) => j != i).Select(other => Distance(x[i], other)).Order().Take(neighbours).Sum()).Take(count)];
    }

    private static double[] ByBulyan(double[][] x, int f)
    {
        var left = x.ToList();
        var chosen = new List<double[]>();
        while (chosen.Count < x.Length - 2 * f)
        {
            double[] best = left[left.Count == 1 ? 0 : ByKrum([.. left], f, 1)[0]];
            chosen.Add(best);
            left.Remove(best);
        }

        return Columns([.. chosen], column =>
        {
            double median = (column[(column.Length - 1) / 2] + column[column.Length / 2]) / 2;
            return column.OrderBy(value => Math.Abs(value - median)).Take(column.Length - 2 * f).Average();
        });
    }

    private static double[] Weiszfeld(double[][] x, int steps)
    {
        double[] factors = [.. x.Select(_ => 1.0 / x.Length)], point = [];
        for (int step = 0; step <= steps; step++)
        {
            point = [.. Enumerable.Range(0, x[0].Length).Select(column => x.Select((row, i) => factors[i] * row[column]).Sum())];
            double[] shares = [.. x.Select(row => 1 / Math.Max(1e-5, Math.Sqrt(Distance(row, point))))];
            factors = [.. shares.Select(share => share / shares.Sum())];
        }

        return point;
    }

    // The clients' weights are 1 + i % 4, as above.
    private static double[] Clipped(double[][] x, double? limit)
    {
        double[] norms = [.. x.Select(row => Math.Sqrt(row.Sum(value => value * value)))], sorted = [.. norms.Order()];
        double most = limit ?? (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2, total = Enumerable.Range(0, x.Length).Sum(i => 1 + i % 4);
        return [.. Enumerable.Range(0, x[0].Length).Select(column => x.Select((row, i) => (1 + i % 4) / total * Math.Min(1, most / norms[i]) * row[column]).Sum())];
    }
}
