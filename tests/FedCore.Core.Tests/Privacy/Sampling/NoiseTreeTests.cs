using FedCore.Privacy.Sampling;

namespace FedCore.Core.Tests.Privacy.Sampling;

/// <summary>The nodes of a tree over steps whose noise is in the sum of the first of them.</summary>
public class NoiseTreeTests
{
    [Fact]
    public void The_nodes_of_a_sum_cover_its_steps_once_each() => Assert.All(Enumerable.Range(0, 200), steps =>
        Assert.Equal(Enumerable.Range(0, steps), NoiseTree.Prefix(steps).SelectMany(node => Enumerable.Range(node.Index << node.Level, 1 << node.Level)).Order()));

    [Fact]
    public void A_sum_has_as_many_nodes_as_its_length_has_ones() =>
        Assert.All(Enumerable.Range(0, 200), steps => Assert.Equal(System.Numerics.BitOperations.PopCount((uint)steps), NoiseTree.Prefix(steps).Count()));

    // 5 = 4 + 1 and 6 = 4 + 2.
    [Fact]
    public void From_one_sum_to_another_the_nodes_that_both_have_stay()
    {
        (IReadOnlyList<NoiseTree.Node> added, IReadOnlyList<NoiseTree.Node> removed) = NoiseTree.Between(5, 6);
        Assert.Equal([new NoiseTree.Node(1, 2)], added);
        Assert.Equal([new NoiseTree.Node(0, 4)], removed);
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(7, 7)]
    [InlineData(100, 63)]
    public void Whatever_changes_is_no_more_than_the_most_that_can(int steps, int before)
    {
        (IReadOnlyList<NoiseTree.Node> added, IReadOnlyList<NoiseTree.Node> removed) = NoiseTree.Between(before, steps);
        Assert.InRange(added.Count + removed.Count, 0, NoiseTree.MostBetween(steps));
    }
}
