using FedCore.Rounds;
using FedCore.Training.Data;

namespace FedCore.Training.Tests.Data.Csv;

/// <summary>A client scales its features by the mean and the sample deviation (n - 1) of its own training examples.</summary>
public sealed class StandardizeTests : IDisposable
{
    private readonly CsvFiles _files = new();

    public void Dispose() => _files.Dispose();

    // Ages 2, 4 and 9 have the mean 5 and the sample variance (9 + 1 + 16) / 2 = 13.
    [Fact]
    public async Task Training_and_test_examples_are_scaled_by_the_training_examples_alone()
    {
        ClientData data = await PrepareAsync("age,sex,ill\n2,f,0\n4,f,0\n9,f,0\n100,f,0\n", train: [0, 1, 2], test: [3]);
        Assert.Equal([-3 / MathF.Sqrt(13), -1 / MathF.Sqrt(13), 4 / MathF.Sqrt(13)], CsvFiles.Features(data.Train).Select(row => row[0]), Near);
        Assert.Equal([95 / MathF.Sqrt(13)], CsvFiles.Features(data.Test).Select(row => row[0]), Near);
    }

    [Fact]
    public async Task A_constant_feature_is_shifted_but_not_scaled()
    {
        ClientData data = await PrepareAsync("age,sex,ill\n0.1,f,0\n0.1,f,0\n0.1,f,0\n1.1,m,0\n", train: [0, 1, 2], test: [3]);
        Assert.All(CsvFiles.Features(data.Train), row => Assert.Equal([0f, 0, 0], row));
        Assert.Equal([1f, -1, 1], CsvFiles.Features(data.Test)[0], Near);
    }

    [Fact]
    public async Task A_single_training_example_has_no_deviation()
    {
        ClientData data = await PrepareAsync("age,sex,ill\n7,f,1\n9,f,0\n", train: [0], test: [1]);
        Assert.Equal([0f, 0, 0], CsvFiles.Features(data.Train)[0]);
        Assert.Equal([2f, 0, 0], CsvFiles.Features(data.Test)[0]);
    }

    [Fact]
    public async Task Labels_and_order_stay_and_the_pool_is_not_changed()
    {
        ClientData data = await PrepareAsync("age,sex,ill\n1,f,0\n2,f,1\n3,f,1\n", train: [2, 0], test: [1]);
        Assert.Equal([1f, 0], CsvFiles.Labels(data.Train.Set));
        Assert.Equal([1f], CsvFiles.Labels(data.Test.Set));
        Assert.True(CsvFiles.Features(data.Train)[0][0] > CsvFiles.Features(data.Train)[1][0]);
    }

    // The known ages 2 and 8 have the mean 5 and the deviation sqrt(18); a missing one becomes the mean, which is 0 behind scaling.
    [Fact]
    public async Task A_missing_value_becomes_zero_behind_scaling_and_does_not_count_for_the_deviation()
    {
        ClientData data = await PrepareAsync("age,sex,ill\n2,f,0\n,f,0\n8,f,0\n", train: [0, 1, 2], test: [], MissingValues.Mean);
        Assert.Equal([-3 / MathF.Sqrt(18), 0, 3 / MathF.Sqrt(18)], CsvFiles.Features(data.Train).Select(row => row[0]), Near);
    }

    private static bool Near(float expected, float actual) => Math.Abs(expected - actual) <= 1e-6f * Math.Max(1, Math.Abs(expected));

    private async Task<ClientData> PrepareAsync(string text, int[] train, int[] test, MissingValues missing = MissingValues.Refuse)
    {
        DataPool pool = await _files.ReadAsync(text, CsvFiles.Contract with { Standardize = true, Missing = missing });
        float[][] before = CsvFiles.Features(pool);
        ClientData prepared = pool.Preparation!.Prepare(new ClientData(new ExampleView(pool.Train, train), new ExampleView(pool.Train, test)), "site");
        Assert.Equal(before, CsvFiles.Features(pool));
        return prepared;
    }
}
