using FedCore.Privacy.Accounting;

namespace FedCore.Core.Tests.Privacy.Accounting;

public class TreeSensitivityTests
{
    [Fact]
    public void Sensitivity_is_the_largest_over_all_ways_to_take_part()
    {
        for (int steps = 1; steps <= 13; steps++)
            for (int most = 1; most <= 5; most++)
                for (int separation = 0; separation <= 6; separation++)
                    Assert.True(Largest(steps, most, separation) == TreeSensitivity.Squared(steps, most, separation), $"{steps} steps, {most} participations, {separation} between");
    }

    [Fact]
    public void One_participation_is_in_as_many_nodes_as_the_tree_is_deep()
    {
        foreach (int steps in (int[])[1, 2, 3, 8, 1600, 100_000]) Assert.Equal((int)Math.Floor(Math.Log2(steps)) + 1, TreeSensitivity.Squared(steps, 1, 0));
    }

    [Theory]
    [InlineData(4096, 10, 400)]
    [InlineData(2000, 10, 199)]
    [InlineData(10_000, 300, 30)]
    [InlineData(100_000, 500, 100)]
    [InlineData(100_000, 100_000, 0)]
    [InlineData(int.MaxValue, 1000, 5)]
    [InlineData(int.MaxValue, int.MaxValue, 1)]
    [InlineData(int.MaxValue, 2, int.MaxValue - 1)]
    public void Any_tree_is_reckoned_in_a_moment(int steps, int most, int separation)
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        Assert.True(TreeSensitivity.Squared(steps, most, separation) > 0);
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 5);
    }

    // Every round of a run asks for the tree up to it.
    [Fact]
    public void What_is_asked_after_every_round_takes_no_time()
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        for (int round = 1; round <= 2000; round++)
            for (int order = 0; order < 150; order++) TreeSensitivity.Squared(round, 10, 199);
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 5);
    }

    // The first 100,000 leaves fill 100,000/m nodes of m steps, and the rest of them lies in a node that is cut short.
    [Fact]
    public void Without_separation_all_nodes_are_filled_from_the_left()
    {
        Assert.Equal(Enumerable.Range(0, 17).Sum(level => (100_000L >> level) << (2 * level)), TreeSensitivity.Squared(100_000, 100_000, 0));
        Assert.Equal(Enumerable.Range(0, 31).Sum(level => ((long)int.MaxValue >> level) << (2 * level)), TreeSensitivity.Squared(int.MaxValue, int.MaxValue, 0));
    }

    // The bound adds up what the levels above a block come to at most each for itself: with few participations, where a level more or less counts, that is half as much again at most.
    [Fact]
    public void Bounds_are_never_below_what_all_ways_to_take_part_come_to_and_little_above_it()
    {
        for (int steps = 1; steps <= 13; steps++)
            for (int most = 1; most <= 5; most++)
                for (int separation = 0; separation <= 6; separation++)
                {
                    long exact = Largest(steps, most, separation);
                    var blocks = new TreeBlocks(separation, most);
                    for (int level = 0; level <= 5; level++)
                        Assert.True(TreeSensitivity.Bound(steps, most, blocks, level) >= exact, $"{steps} steps, {most} participations, {separation} between, level {level}");
                    Assert.InRange(TreeSensitivity.Bound(steps, most, blocks, 0), exact, separation == 0 ? exact : 1.5 * exact);
                }
    }

    // With next to no work only low blocks are known: those that the bound is used for in earnest have hundreds of participations, and it is nearer.
    [Theory]
    [InlineData(2000, 100, 10, 1.02)]
    [InlineData(1000, 30, 30, 1.1)]
    [InlineData(5000, 40, 100, 1.02)]
    [InlineData(4096, 10, 400, 1.02)]
    public void Where_blocks_are_too_costly_the_bound_is_little_above_the_exact_one(int steps, int most, int separation, double factor)
    {
        long exact = TreeSensitivity.Squared(steps, most, new TreeBlocks(separation, most, long.MaxValue));
        Assert.InRange(TreeSensitivity.Squared(steps, most, new TreeBlocks(separation, most, 100)), exact, factor * exact);
        Assert.Equal(exact, TreeSensitivity.Squared(steps, most, separation));
    }

    [Fact]
    public void More_steps_and_more_participations_never_cost_less_though_some_are_exact_and_some_are_bounds()
    {
        foreach (int separation in (int[])[0, 3, 6])
            for (int most = 2; most <= 32; most *= 2)
            {
                TreeBlocks blocks = new(separation, most, 300), more = new(separation, 2 * most, 300);
                long before = 0;
                for (int steps = 1; steps <= 300; steps++)
                {
                    long now = TreeSensitivity.Squared(steps, most, blocks);
                    Assert.True(now >= before && TreeSensitivity.Squared(steps, 2 * most, more) >= now, $"{steps} steps, {most} participations, {separation} between");
                    before = now;
                }
            }
    }

    // By trying all sets of leaves.
    private static long Largest(int steps, int most, int separation)
    {
        long largest = 0;
        for (int set = 1; set < 1 << steps; set++)
        {
            int[] places = [.. Enumerable.Range(0, steps).Where(leaf => (set >> leaf & 1) != 0)];
            if (places.Length > most || places.Zip(places.Skip(1)).Any(pair => pair.Second - pair.First - 1 < separation)) continue;
            long sum = 0;
            for (int size = 1; size <= steps; size *= 2)
                for (int first = 0; first + size <= steps; first += size)
                    sum += (long)Math.Pow(places.Count(place => place >= first && place < first + size), 2);
            largest = Math.Max(largest, sum);
        }

        return largest;
    }
}
