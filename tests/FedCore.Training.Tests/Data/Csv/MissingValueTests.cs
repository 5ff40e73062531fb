using FedCore.Rounds;
using FedCore.Training.Data;

namespace FedCore.Training.Tests.Data.Csv;

public sealed class MissingValueTests : IDisposable
{
    // Ages 10 and 40 are known, one is missing; one sex is missing.
    private const string Table = "age,sex,ill\n10,f,0\n?,m,1\n40,,0\n";
    private readonly CsvFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Fact]
    public async Task Refuse_names_the_first_one() => await _files.RefusesAsync(Table, ["line 3", "'age'", "'?'", "dropExample, mean or zero"], With(MissingValues.Refuse));

    [Fact]
    public async Task DropExample_leaves_the_example_out()
    {
        DataPool pool = await _files.ReadAsync(Table, With(MissingValues.DropExample));
        Assert.Equal([[10f, 1, 0]], CsvFiles.Features(pool));
        Assert.Equal([0f], CsvFiles.Labels(pool.Train));
        Assert.Equal([[0]], pool.Groups!.Select(group => group.Rows));
    }

    [Fact]
    public async Task DropExample_that_leaves_nothing_is_refused()
    {
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => _files.ReadAsync("age,sex,ill\n?,m,1\n", With(MissingValues.DropExample)));
        Faults.Assert(fault, "data.source", "simulation.data.files", "no example is left", "mean or zero");
    }

    [Fact]
    public async Task Zero_is_zero_in_every_number_of_the_feature() =>
        Assert.Equal([[10f, 1, 0], [0, 0, 1], [40, 0, 0]], CsvFiles.Features(await _files.ReadAsync(Table, With(MissingValues.Zero))));

    [Fact]
    public async Task Mean_is_the_clients_own_over_its_training_examples()
    {
        DataPool pool = await _files.ReadAsync(Table, With(MissingValues.Mean));
        ClientData prepared = pool.Preparation!.Prepare(new ClientData(ExampleView.All(pool.Train), new ExampleView(pool.Train, new[] { 1 })), "site");
        Assert.Equal([[10f, 1, 0], [25, 0, 1], [40, 0.5f, 0.5f]], CsvFiles.Features(prepared.Train));
        Assert.Equal([[25f, 0, 1]], CsvFiles.Features(prepared.Test));
    }

    [Fact]
    public async Task Mean_of_nothing_is_refused_with_the_client_and_the_column()
    {
        DataPool pool = await _files.ReadAsync(Table, With(MissingValues.Mean));
        var fault = Assert.Throws<FedCoreException>(
            () => pool.Preparation!.Prepare(new ClientData(new ExampleView(pool.Train, new[] { 1 }), ExampleView.All(pool.Train)), "north"));
        Faults.Assert(fault, "data.source", "'north'", "column 0", "zero or dropExample");
    }

    private static DataContract With(MissingValues missing) => CsvFiles.Contract with { Missing = missing };
}
