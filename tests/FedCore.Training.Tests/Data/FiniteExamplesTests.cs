using FedCore.Models;
using FedCore.Numerics;
using FedCore.Training.Data;
using FedCore.Training.Partitioning;

namespace FedCore.Training.Tests.Data;

public class FiniteExamplesTests
{
    [Theory]
    [InlineData(float.NaN, 0, "Example 1: feature 0 is NaN")]
    [InlineData(float.PositiveInfinity, 0, "Example 1: feature 0 is ")]
    [InlineData(0, float.NaN, "Example 1: the label is not finite")]
    public void Examples_that_are_not_finite_are_refused_when_they_are_dealt_out(float feature, float label, string message)
    {
        var pool = new DataPool(new InMemoryExamples(new Shape(2), [1, 2, feature, 4], [0, label]));
        FedCoreException fault = Assert.Throws<FedCoreException>(
            () => new PartitionedData(pool, new Partition([[0], [1]]), 0, new RandomKeys([], 1)));
        Assert.Equal("data.not-finite", fault.Code);
        Assert.Contains(message, fault.Message);
    }
}
