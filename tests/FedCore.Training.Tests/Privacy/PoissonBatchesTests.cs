using FedCore.Privacy.Sampling;
using FedCore.Training.Privacy;

namespace FedCore.Training.Tests.Privacy;

/// <summary>Batches as the accountants take them to be: every example by a coin of its own.</summary>
public class PoissonBatchesTests
{
    private const int Examples = 50, Batches = 20_000;
    private const double Rate = 0.04;

    [Fact]
    public void Sizes_are_binomial_and_some_batches_are_empty()
    {
        int[] sizes = [.. Draw().Select(batch => batch.Length)];
        double mean = sizes.Average(), variance = sizes.Average(size => (size - mean) * (size - mean)), empty = sizes.Count(size => size == 0) / (double)Batches;
        Assert.Equal(Examples * Rate, mean, Errors(Math.Sqrt(Examples * Rate * (1 - Rate))));
        Assert.Equal(Examples * Rate * (1 - Rate), variance, 0.15);
        Assert.Equal(Math.Pow(1 - Rate, Examples), empty, Errors(0.34));
    }

    [Fact]
    public void Every_example_is_in_as_many_batches_and_every_two_in_as_many_together()
    {
        int[] alone = new int[Examples];
        int both = 0;
        foreach (int[] batch in Draw())
        {
            foreach (int place in batch) alone[place]++;
            if (batch.Contains(0) && batch.Contains(Examples - 1)) both++;
        }

        Assert.All(alone, count => Assert.Equal(Rate, count / (double)Batches, 1.2 * Errors(Math.Sqrt(Rate * (1 - Rate)))));
        Assert.Equal(Rate * Rate, both / (double)Batches, Errors(Rate));
    }

    [Fact]
    public void Places_come_in_order_and_once_each() => Assert.All(Draw(), batch => Assert.Equal(batch.Order().Distinct(), batch));

    [Fact]
    public void With_a_rate_of_1_every_batch_is_of_all()
    {
        using var random = new SystemRandomBytes();
        var batches = new PoissonBatches(Examples, 1, random);
        Assert.Equal(Enumerable.Range(0, Examples), batches.Next().ToArray());
        Assert.Equal(Examples, batches.Next().Length);
    }

    private static List<int[]> Draw()
    {
        using var random = new SimulationRandomBytes(Tests.Draw.Stream("poisson batches"));
        var batches = new PoissonBatches(Examples, Rate, random);
        return [.. Enumerable.Range(0, Batches).Select(_ => batches.Next().ToArray())];
    }

    // Four standard errors of a mean over all batches.
    private static double Errors(double deviation) => 4 * deviation / Math.Sqrt(Batches);
}
