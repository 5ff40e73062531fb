using FedCore.Compression.Sparsifiers;
using FedCore.Numerics;

namespace FedCore.Core.Tests.Compression;

public class SparsifierTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(10, 0.3)]
    [InlineData(9000, 0.01)]
    [InlineData(9000, 0.999)]
    [InlineData(9000, 1)]
    public void The_largest_magnitudes_are_chosen(int length, double share)
    {
        var rule = new TopK { Share = share };
        RandomStream random = Statistics.Stream("values");
        float[] values = [.. Enumerable.Range(0, length).Select(_ => (float)random.NextNormal())];
        long[] places = Choose(rule, values);
        Assert.Equal([.. Enumerable.Range(0, length).OrderByDescending(i => Math.Abs(values[i])).Take(places.Length).Order()], places.Select(place => (int)place));
    }

    [Fact]
    public void Of_equal_magnitudes_the_first_are_chosen()
    {
        float[] values = [1, -2, 0, 2, 1, -1, 2, 2];
        Assert.Equal([1, 3, 6], Choose(new TopK { Share = 3.0 / 8 }, values));
        Assert.Equal([0, 1, 3, 4, 6, 7], Choose(new TopK { Share = 6.0 / 8 }, values));
        Assert.Equal([0, 1], Choose(new TopK { Share = 0.25 }, new float[8]));
    }

    // A million draws of 3 of 10 places: each place as often as another, and each pair.
    [Fact]
    public void Random_places_are_ascending_and_every_choice_is_equally_likely()
    {
        var rule = new RandomK { Share = 0.3 };
        RandomStream random = Statistics.Stream("places");
        int[] places = new int[10], pairs = new int[45];
        long[] chosen = new long[3];
        for (int draw = 0; draw < 100_000; draw++)
        {
            rule.Choose(null, 10, random, chosen);
            Assert.True(chosen[0] < chosen[1] && chosen[1] < chosen[2] && chosen[0] >= 0 && chosen[2] < 10);
            foreach (long place in chosen) places[place]++;
            for (int i = 0; i < 3; i++)
                for (int j = i + 1; j < 3; j++) pairs[(int)(chosen[j] * (chosen[j] - 1) / 2 + chosen[i])]++;
        }

        // Three of ten without replacement vary less than ten independent draws, so the limit of those holds.
        Statistics.AssertEven(places);
        Statistics.AssertEven(pairs);
    }

    [Theory]
    [InlineData(0.001, 10, 1)]
    [InlineData(0.25, 10, 2)]
    [InlineData(1, 10, 10)]
    public void At_least_one_number_is_sent(double share, long length, long count)
    {
        Assert.Equal(count, new TopK { Share = share }.CountOf(length));
        Assert.Equal(count, new RandomK { Share = share }.CountOf(length));
    }

    private static long[] Choose(TopK rule, float[] values)
    {
        using var vector = new FlatVector(values.Length);
        values.CopyTo(vector.AsSpan());
        long[] places = new long[rule.CountOf(values.Length)];
        rule.Choose(vector, values.Length, Statistics.Stream("unused"), places);
        return places;
    }
}
