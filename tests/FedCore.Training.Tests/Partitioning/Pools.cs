using FedCore.Models;
using FedCore.Training.Data;
using FedCore.Training.Partitioning;

namespace FedCore.Training.Tests.Partitioning;

internal static class Pools
{
    /// <summary>Examples whose labels go round: row i has label i mod classes.</summary>
    public static DataPool Of(int examples, int classes = 10, int tests = 0) => new(Set(examples, classes), tests == 0 ? null : Set(tests, classes));

    public static int[] Sizes(Partition partition) => [.. Enumerable.Range(0, partition.ClientCount).Select(client => partition.RowsOf(client).Length)];

    /// <summary>How many different labels each client has.</summary>
    public static int[] LabelCounts(Partition partition, DataPool pool) =>
        [.. Enumerable.Range(0, partition.ClientCount).Select(client => partition.RowsOf(client).ToArray().Select(row => pool.Train.Label(row)[0]).Distinct().Count())];

    public static int[] AllRows(Partition partition) => [.. Enumerable.Range(0, partition.ClientCount).SelectMany(client => partition.RowsOf(client).ToArray())];

    private static InMemoryExamples Set(int examples, int classes) =>
        new(new Shape(1), new float[examples], [.. Enumerable.Range(0, examples).Select(i => (float)(i % classes))]);
}
