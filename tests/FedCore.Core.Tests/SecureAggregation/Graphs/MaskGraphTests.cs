using System.Security.Cryptography;
using FedCore.SecureAggregation.Graphs;

namespace FedCore.Core.Tests.SecureAggregation.Graphs;

public class MaskGraphTests
{
    [Theory]
    [InlineData(5, 4)]
    [InlineData(100, 6)]
    [InlineData(101, 52)]
    [InlineData(257, 100)]
    public void Neighbourhood_is_mutual_and_every_degree_the_same(int members, int degree)
    {
        MaskGraph graph = Graph(members, degree, 1);
        HashSet<int>[] neighbours = [.. Enumerable.Range(0, members).Select(member => graph.NeighboursOf(member).ToHashSet())];
        for (int member = 0; member < members; member++)
        {
            Assert.Equal(degree, neighbours[member].Count);
            Assert.DoesNotContain(member, neighbours[member]);
            Assert.All(neighbours[member], other => Assert.Contains(member, neighbours[other]));
            Assert.Equal([.. neighbours[member].Order()], graph.NeighboursOf(member));
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_graph_and_another_seed_another()
    {
        Assert.Equal(Graph(200, 10, 7).NeighboursOf(3), Graph(200, 10, 7).NeighboursOf(3));
        Assert.NotEqual(Graph(200, 10, 7).NeighboursOf(3), Graph(200, 10, 8).NeighboursOf(3));
    }

    // Over 4,000 graphs, each of the other 20 clients is a neighbour of the first as often as another: 4 of 20.
    [Fact]
    public void Everybody_is_as_likely_a_neighbour_as_everybody_else()
    {
        int[] counts = new int[20];
        for (int seed = 0; seed < 4000; seed++)
            foreach (int neighbour in Graph(21, 4, seed).NeighboursOf(0)) counts[neighbour - 1]++;
        Statistics.AssertEven(counts);
    }

    private static MaskGraph Graph(int members, int degree, int seed) => new(members, degree, SHA256.HashData(BitConverter.GetBytes(seed)));
}
