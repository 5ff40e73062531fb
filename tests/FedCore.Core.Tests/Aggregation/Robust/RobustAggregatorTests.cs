using FedCore.Aggregation;
using FedCore.Aggregation.Robust;
using FedCore.Core.Tests.Numerics;
using FedCore.Numerics;
using FedCore.Tests;
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
                foreach (int count in (int[])[3, 4, 7, 8, 20, 21, 33])
                    if (Rules[rule].Rule.FaultFor(FakeUpdate.Layout(Length), count) is null) cases.Add(rule, count);
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

    // The updates count as one vector: 21 of them are mapped where one of them is not.
    [Theory]
    [MemberData(nameof(Names))]
    public async Task The_bits_do_not_depend_on_where_updates_lie_and_their_file_goes_with_the_round(string name)
    {
        RobustAggregator rule = Rules[name].Rule;
        using var folder = new TemporaryFolder();
        using var pool = new FlatVectorPool(new VectorStorage(folder.Path, 21 * Length * sizeof(float)));
        using var resources = new AggregationResources(2, pool);
        int most = 0;
        FakeUpdate[] updates = [.. Updates(21).Select(update => new FakeUpdate(update.Values, update.Scalars, _ =>
        {
            int mapped = Mappings.Of(folder.Path).Length;
            lock (folder) most = Math.Max(most, mapped);
            return Task.CompletedTask;
        }))];
        UpdateSum sum = (await rule.AggregateAsync(FakeUpdate.Layout(Length), updates, resources, TestContext.Current.CancellationToken)).Sum;
        Assert.Equal((await SumAsync(rule, Updates(21), 2)).Sum, sum.Vector.AsSpan().ToArray());
        Assert.Equal(1, most);
        Assert.Empty(Mappings.Of(folder.Path));
        sum.Vector.Dispose();
    }

    [Fact]
    public async Task Updates_that_together_are_below_the_threshold_lie_in_memory()
    {
        using var folder = new TemporaryFolder();
        using var pool = new FlatVectorPool(new VectorStorage(folder.Path, 21 * Length * sizeof(float) + 1));
        using var resources = new AggregationResources(1, pool);
        FakeUpdate[] updates = [.. Updates(21).Select(update => new FakeUpdate(update.Values, update.Scalars, _ =>
        {
            Assert.Empty(Mappings.Of(folder.Path));
            return Task.CompletedTask;
        }))];
        pool.Return((await new CoordinateMedian().AggregateAsync(FakeUpdate.Layout(Length), updates, resources, TestContext.Current.CancellationToken)).Sum.Vector);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Four_refused_updates_are_as_if_they_had_never_been_there_and_f_were_four_less(string name)
    {
        (RobustAggregator rule, RobustAggregator rest) = Rules[name].Rule switch
        {
            TrimmedMean => (new TrimmedMean { Byzantine = 5 }, new TrimmedMean { Byzantine = 1 }),
            Krum => (new Krum { Byzantine = 5 }, new Krum { Byzantine = 1 }),
            MultiKrum { Averaged: null } => (new MultiKrum { Byzantine = 5 }, new MultiKrum { Byzantine = 1 }),
            Bulyan => (new Bulyan { Byzantine = 5 }, new Bulyan { Byzantine = 1 }),
            RobustAggregator same => (same, same),
        };
        FakeUpdate[] usable = Updates(20);
        FakeUpdate nan = new([.. Enumerable.Repeat(1f, Length - 1), float.NaN], [1, 0]), weightless = new(new float[Length], [0, 0]);
        FakeUpdate negative = new(new float[Length], [-1, 0]), closed = new(new float[Length], [1, 0], _ => throw new UpdateRefusedException("test.code", "no"));
        FakeUpdate[] all = [nan, .. usable[..7], weightless, negative, .. usable[7..], closed];
        (float[] expected, _) = await SumAsync(rest, usable, 2);
        using var pool = new FlatVectorPool();
        using var resources = new AggregationResources(2, pool);
        AggregationResult result = await rule.AggregateAsync(FakeUpdate.Layout(Length), all, resources, TestContext.Current.CancellationToken);
        Assert.Equal(expected, result.Sum.Vector.AsSpan().ToArray());
        Assert.Equal(
            [(0, "update.not-finite"), (8, "update.weight"), (9, "update.weight"), (23, "test.code")], result.Refused.Select(refused => (refused.Index, refused.Reason.Code)));
        Assert.Equal(20, result.Sum.Contributors);
        Assert.All(all, update => Assert.Equal(0, update.Open));
    }

    [Theory]
    [InlineData(1e39)]
    [InlineData(1e300)]
    [InlineData(1e-300)]
    public async Task A_weight_beyond_all_numbers_of_examples_is_refused(double weight)
    {
        FakeUpdate[] updates = [.. Updates(8), new FakeUpdate(new float[Length], [weight, 0])];
        using var pool = new FlatVectorPool();
        using var resources = new AggregationResources(1, pool);
        AggregationResult result = await new NormClipping().AggregateAsync(FakeUpdate.Layout(Length), updates, resources, TestContext.Current.CancellationToken);
        Assert.Equal((8, "update.weight"), (result.Refused.Single().Index, result.Refused.Single().Reason.Code));
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

    // It ends where distances change by less than a millionth, and near the minimum their sum by the square of that.
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

    // What was not chosen is no part of the sum, and what such a client keeps for its update must not count.
    [Fact]
    public async Task Rules_that_choose_say_whom_they_did_not()
    {
        FakeUpdate[] updates = Updates(21);
        foreach ((RobustAggregator rule, int chosen) in ((RobustAggregator, int)[])
            [(new Krum { Byzantine = 4 }, 1), (new MultiKrum { Byzantine = 4 }, 17), (new Bulyan { Byzantine = 4 }, 13), (new CoordinateMedian(), 21), (new GeometricMedian(), 21)])
        {
            using var pool = new FlatVectorPool();
            using var resources = new AggregationResources(1, pool);
            AggregationResult result = await rule.AggregateAsync(FakeUpdate.Layout(Length), updates, resources, TestContext.Current.CancellationToken);
            Assert.Equal(21 - chosen, result.Discarded.Count);

            // Every fifth is ten times as far off: those are the first to go.
            if (chosen < 21) Assert.All(((int[])[2, 7, 12, 17])[..Math.Min(4, 21 - chosen)], far => Assert.Contains(far, result.Discarded));
        }
    }

    // An update that is none was one of the f.
    [Fact]
    public async Task A_refused_update_uses_up_one_of_the_f()
    {
        var rule = new Krum { Byzantine = 1 };
        FakeUpdate[] updates = [.. Updates(4), new FakeUpdate([.. Enumerable.Repeat(float.NaN, Length)], [1, 0])];
        Assert.Equal("it needs n > 2f + 2: with f = 1 that is n >= 5, but n is 4", rule.FaultFor(FakeUpdate.Layout(Length), 4));
        Assert.Null(rule.FaultFor(FakeUpdate.Layout(Length), 4, refused: 1));
        Assert.True((await SumAsync(rule, updates, 1)).Weight > 0);
    }

    // Who drops out does not disarm the rule.
    [Fact]
    public void A_share_is_of_what_the_round_wants_and_not_of_what_comes()
    {
        var rule = (ByzantineAggregator)((IAggregator)new TrimmedMean { Share = 0.2 }).For(20);
        Assert.Equal(4, rule.ByzantineOf(10));
        Assert.Equal(0, ((ByzantineAggregator)((IAggregator)new TrimmedMean { Share = 0 }).For(20)).ByzantineOf(10));
    }

    [Fact]
    public void A_share_that_no_number_of_updates_meets_is_refused_as_such() => Assert.Equal(
        "it needs n >= 4f + 3, which no number n of updates meets with a share of 0.25", new Bulyan { Share = 0.25 }.FaultFor(FakeUpdate.Layout(2), int.MaxValue));

    // As far off as a float can say: from the mean, Weiszfeld's steps must come all the way back.
    [Theory]
    [InlineData(1e3)]
    [InlineData(1e8)]
    [InlineData(1e20)]
    [InlineData(1e30)]
    public async Task The_geometric_median_withstands_an_update_of_any_size(double size)
    {
        RandomStream random = Statistics.Stream("honest");
        FakeUpdate[] updates = [.. Enumerable.Range(0, 10).Select(i => new FakeUpdate([.. Enumerable.Range(0, Length).Select(_ => (float)((2 * random.NextDouble() - 1) * (i == 3 ? size : 1)))], [1, 0]))];
        (float[] sum, double weight) = await SumAsync(new GeometricMedian(), updates, 2);
        Assert.All(sum, value => Assert.InRange(Math.Abs(value / weight), 0, 1));
    }

    // Seven small updates and three that are thirty times as large: the rule is the same for any unit of measurement.
    [Theory]
    [InlineData(1)]
    [InlineData(1e-8)]
    [InlineData(1e-20)]
    public async Task The_geometric_median_is_the_same_in_any_unit(double unit)
    {
        FakeUpdate[] updates = [.. Enumerable.Range(0, 10).Select(i =>
        {
            RandomStream random = Statistics.Stream("unit", i);
            return new FakeUpdate([.. Enumerable.Range(0, Length).Select(_ => (float)(unit * (i < 3 ? 30 : 1) * (1 + 0.1 * random.NextNormal())))], [1, 0]);
        })];
        (float[] sum, double weight) = await SumAsync(new GeometricMedian(), updates, 2);
        Assert.InRange(sum.Average() / weight / unit, 0.9, 1.2);
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
        Assert.Equal("it needs n - f >= m: m (averaged) is 8, but with f = 1 n - f is 7", new MultiKrum { Byzantine = 1, Averaged = 8 }.FaultFor(FakeUpdate.Layout(2), 8));

    // In binary fractions 0.29 of 100 is a little less than 29.
    [Theory]
    [InlineData(0.2, 20, 4)]
    [InlineData(0.29, 100, 29)]
    [InlineData(0.1, 9, 1)]
    [InlineData(0.2, 4, 1)]
    [InlineData(0, 9, 0)]
    public void A_share_is_rounded_up(double share, int updates, int byzantine) => Assert.Equal(byzantine, new Bulyan { Share = share }.ByzantineOf(updates));

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
            double[] distances = [.. x.Select(row => Math.Sqrt(Distance(row, point)))], ordered = [.. distances.Order()];
            double least = 1e-5 * (ordered[(ordered.Length - 1) / 2] + ordered[ordered.Length / 2]) / 2;
            double[] shares = [.. distances.Select(distance => 1 / Math.Max(least, distance))];
            factors = [.. shares.Select(share => share / shares.Sum())];
        }

        return point;
    }

    private static double[] Clipped(double[][] x, double? limit)
    {
        double[] norms = [.. x.Select(row => Math.Sqrt(row.Sum(value => value * value)))], sorted = [.. norms.Order()];
        double most = limit ?? (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
        return [.. Enumerable.Range(0, x[0].Length).Select(column => x.Select((row, i) => Math.Min(1, most / norms[i]) * row[column]).Average())];
    }
}
