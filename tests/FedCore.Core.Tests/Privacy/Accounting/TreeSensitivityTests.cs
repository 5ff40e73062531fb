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

    [Fact]
    public void Thousands_of_steps_are_reckoned_in_a_moment()
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        Assert.InRange(TreeSensitivity.Squared(4096, 10, 400), 10 * 13, 100 * 13);
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 10);
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
