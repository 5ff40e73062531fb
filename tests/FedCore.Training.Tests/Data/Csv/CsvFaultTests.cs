using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Rounds;
using FedCore.Training.Data.Csv;

namespace FedCore.Training.Tests.Data.Csv;

/// <summary>A message names the file, the line, the column, the value and what is allowed.</summary>
public sealed class CsvFaultTests : IDisposable
{
    private readonly CsvFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Theory]
    [InlineData("age,sex,ill\n30,m,1\nold,m,1\n", "line 3", "'age'", "'old'", "not a number")]
    [InlineData("age,sex,ill\n\n30,m,1\n1_000,m,1\n", "line 4", "'age'", "'1_000'", "not a number")]
    [InlineData("age,sex,ill\n\"1,5\",m,1\n", "line 2", "'age'", "'1,5'", "not a number")]
    [InlineData("age,sex,ill\nnan,m,1\n", "line 2", "'age'", "'nan'", "not finite")]
    [InlineData("age,sex,ill\n-Infinity,m,1\n", "line 2", "'age'", "'-Infinity'", "not finite")]
    [InlineData("age,sex,ill\n1e39,m,1\n", "line 2", "'age'", "'1e39'", "not finite")]
    [InlineData("age,sex,ill\n30,x,1\n", "line 2", "'sex'", "'x'", "f, m")]
    [InlineData("age,sex,ill\n30,M,1\n", "line 2", "'sex'", "'M'", "f, m")]
    [InlineData("age,sex,ill\n30,m,2\n", "line 2", "'ill'", "'2'", "0 to 1")]
    [InlineData("age,sex,ill\n30,m,0.5\n", "line 2", "'ill'", "'0.5'", "0 to 1")]
    [InlineData("age,sex,ill\n30,m,-1\n", "line 2", "'ill'", "'-1'", "0 to 1")]
    [InlineData("age,sex,ill\n30,m,\n", "line 2", "'ill'", "''", "not a number")]
    [InlineData("age,sex,ill\n30,m,yes\n", "line 2", "'ill'", "'yes'", "not a number")]
    [InlineData("age,sex,ill\n30,m\n", "line 2", "2 values", "3 columns", "delimiter, which is ','")]
    [InlineData("age,sex,ill\n30,m,1\n30,m,1,7\n", "line 3", "4 values", "3 columns")]
    [InlineData("age,sex,ill\n,m,1\n", "line 2", "'age'", "''", "data.missing")]
    [InlineData("age,sex,ill\n30,?,1\n", "line 2", "'sex'", "'?'", "data.missing")]
    [InlineData("", "line 1", "empty", "simulation.data.files")]
    [InlineData("age,sex,ill\n", "no examples below its header", "simulation.data.files")]
    [InlineData("age,sex,ill\n\u001b[2J,m,1\n", "line 2", "'\\u001B[2J'")]
    [InlineData("a\u001bge,sex,ill\n1,m,1\n", "'age'", "a\\u001Bge, sex, ill")]
    [InlineData("age;sex;ill\n30;m;1\n", "'age'", "age;sex;ill", "simulation.data.delimiter")]
    [InlineData("age,gender,ill\n30,m,1\n", "'sex'", "age, gender, ill", "rename")]
    [InlineData("age,sex,ill,age\n30,m,1,31\n", "line 1", "2 columns", "'age'")]
    public async Task What_is_wrong_in_a_table_is_named_with_its_place(string text, params string[] names) => await _files.RefusesAsync(text, names);

    [Fact]
    public async Task A_label_that_is_none_of_the_classes_is_named()
    {
        DataContract contract = CsvFiles.Contract with { Label = new Label { Name = "ill", Classes = ["no", "yes"] } };
        await _files.RefusesAsync("age,sex,ill\n30,m,no\n30,m,maybe\n", ["line 3", "'ill'", "'maybe'", "no, yes", "data.label.classes"], contract);
    }

    [Fact]
    public async Task A_value_that_overflows_by_its_scale_is_named()
    {
        DataContract contract = CsvFiles.Contract with { Features = [new Feature { Name = "age", Scale = 1e-30 }] };
        await _files.RefusesAsync("age,ill\n1e20,1\n", ["line 2", "'age'", "'1e20'", "not finite"], contract);
    }

    [Fact]
    public async Task A_long_value_is_shown_by_its_beginning()
    {
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => _files.ReadAsync($"age,sex,ill\n{new string('x', 100_000)},m,1\n"));
        Faults.Assert(fault, "data.csv", $"'{new string('x', 80)}...'");
        Assert.InRange(fault.Message.Length, 100, 500);
    }

    [Theory]
    [InlineData("\"", "'\"'")]
    [InlineData("\n", "'\\u000A'")]
    [InlineData("\r", "'\\u000D'")]
    [InlineData("\0", "'\\u0000'")]
    public async Task What_cannot_stand_between_values_is_no_delimiter(string delimiter, string shown)
    {
        _files.Folder.File("a.csv", "age,sex,ill\n30,m,1\n");
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => _files.LoadAsync(new CsvSource { Files = ["a.csv"], Delimiter = delimiter }));
        Faults.Assert(fault, "data.source", "simulation.data.delimiter", shown);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("a\0b.csv")]
    public async Task What_is_no_name_of_a_file_is_refused_with_its_key(string file)
    {
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => _files.LoadAsync(new CsvSource { Files = [file] }));
        Faults.Assert(fault, "data.not-found", "simulation.data.files[0]", "not the name of a file");
    }

    [Fact]
    public async Task A_client_without_a_name_is_refused_with_its_line()
    {
        _files.Folder.File("a.csv", "age,sex,ill,ward\n30,m,1,A\n30,m,1,\n");
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => _files.LoadAsync(new CsvSource { Files = ["a.csv"], ClientColumn = "ward" }));
        Faults.Assert(fault, "data.csv", _files.Folder["a.csv"], "line 3", "'ward'", "simulation.data.clientColumn");
    }

    [Fact]
    public async Task An_open_quote_is_refused_with_the_files_name() =>
        Assert.StartsWith(
            _files.Folder["table.csv"],
            (await Assert.ThrowsAsync<FedCoreException>(() => _files.ReadAsync("age,sex,ill\n\"30,m,1\n"))).Message, StringComparison.Ordinal);

    [Fact]
    public async Task An_absent_file_is_named_with_where_it_was_looked_for()
    {
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => _files.LoadAsync(new CsvSource { Files = ["absent.csv"] }));
        Faults.Assert(fault, "data.not-found", "simulation.data.files[0]", "'absent.csv'", _files.Folder["absent.csv"]);
    }

    [Fact]
    public async Task Two_files_that_would_be_one_client_are_refused()
    {
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => _files.LoadAsync(new CsvSource { Files = ["north/data.csv", "south/data.csv"] }));
        Faults.Assert(fault, "data.source", "north/data.csv", "south/data.csv", "'data'", "clientColumn");
    }

    [Fact]
    public async Task An_absent_client_column_is_named()
    {
        _files.Folder.File("a.csv", "age,sex,ill\n30,m,1\n");
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => _files.LoadAsync(new CsvSource { Files = ["a.csv"], ClientColumn = "ward" }));
        Faults.Assert(fault, "data.csv", _files.Folder["a.csv"], "'ward'", "age, sex, ill", "Correct simulation.data.clientColumn.");
    }

    [Fact]
    public async Task A_run_without_a_data_contract_is_told_to_add_one()
    {
        var source = new CsvSource { Files = ["a.csv"] };
        var fault = await Assert.ThrowsAsync<FedCoreException>(
            () => source.LoadAsync(_files.Folder.Request(Plans.Of(Plans.Softmax(3, 2))), TestContext.Current.CancellationToken).AsTask());
        Faults.Assert(fault, "data.contract", "\"data\"");
    }

    // One column cannot be three labels; the run is refused before anything is read.
    [Fact]
    public void A_contract_for_a_model_with_several_real_outputs_is_refused()
    {
        var model = new ModelSpec { Input = [3], Layers = [new LinearSpec { Outputs = 3 }], Loss = new MeanSquaredErrorSpec() };
        Faults.Assert(Assert.Throws<FedCoreException>(() => Plans.Of(model, data: CsvFiles.Contract)), "model.shape", "data.label", "3");
    }
}
