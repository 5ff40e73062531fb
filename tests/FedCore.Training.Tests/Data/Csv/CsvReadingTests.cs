using FedCore.Models.Losses;
using FedCore.Rounds;
using FedCore.Training.Data;
using FedCore.Training.Data.Csv;

namespace FedCore.Training.Tests.Data.Csv;

public sealed class CsvReadingTests : IDisposable
{
    private readonly CsvFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Fact]
    public async Task Columns_are_found_by_the_header_in_any_order()
    {
        DataPool pool = await _files.ReadAsync("note,ill,sex,age\nx,1,m,30\ny,0,f,4.5e1\n");
        Assert.Equal([[30f, 0, 1], [45f, 1, 0]], CsvFiles.Features(pool));
        Assert.Equal([1f, 0], CsvFiles.Labels(pool.Train));
        Assert.Null(pool.Preparation);
    }

    [Theory]
    [InlineData("age,sex,ill\r\n30,m,1\r\n", "carriage returns")]
    [InlineData("age,sex,ill\n30,m,1", "no last line break")]
    [InlineData("age,sex,ill\n\n30,m,1\n\n", "empty lines")]
    [InlineData(" age , sex,ill\n 30 ,m , 1\n", "spaces")]
    [InlineData("\"age\",\"sex\",\"ill\"\n\"30\",\"m\",\"1\"\n", "quotes")]
    [InlineData("\uFEFFage,sex,ill\n30,m,1\n", "a byte order mark")]
    public async Task The_same_table_in_other_spellings_is_the_same(string text, string spelling)
    {
        DataPool pool = await _files.ReadAsync(text);
        Assert.True(CsvFiles.Features(pool) is [[30, 0, 1]] && CsvFiles.Labels(pool.Train) is [1], spelling);
    }

    [Fact]
    public async Task Quoted_values_may_hold_delimiters_quotes_and_line_breaks()
    {
        DataContract contract = CsvFiles.Contract with
        {
            Features = [new Feature { Name = "a, \"b\"", Categories = ["x,y", "say \"z\"", "two\nlines"] }],
        };
        DataPool pool = await _files.ReadAsync("\"a, \"\"b\"\"\",ill\n\"x,y\",0\n\"say \"\"z\"\"\",1\n\"two\nlines\",1\n", contract);
        Assert.Equal([[1f, 0, 0], [0, 1, 0], [0, 0, 1]], CsvFiles.Features(pool));
    }

    [Fact]
    public async Task Files_without_a_header_take_their_columns_from_the_run_and_may_have_another_delimiter()
    {
        _files.Folder.File("a.data", "1;f;30\n0;m;40\n");
        var source = new CsvSource { Files = ["a.data"], Columns = ["ill", "sex", "age"], Delimiter = ";" };
        Assert.Equal([[30f, 1, 0], [40f, 0, 1]], CsvFiles.Features(await _files.LoadAsync(source)));
    }

    [Fact]
    public async Task Renamed_columns_are_found()
    {
        _files.Folder.File("a.csv", "years,sex,y\n30,f,1\n");
        var source = new CsvSource { Files = ["a.csv"], Rename = new Dictionary<string, string> { ["age"] = "years", ["ill"] = "y" } };
        Assert.Equal([[30f, 1, 0]], CsvFiles.Features(await _files.LoadAsync(source)));
    }

    [Fact]
    public async Task Each_file_is_a_natural_client()
    {
        _files.Folder.File("north.csv", "age,sex,ill\n1,f,0\n2,f,0\n");
        _files.Folder.File("south.csv", "ill,age,sex\n1,3,m\n");
        DataPool pool = await _files.LoadAsync(new CsvSource { Files = ["north.csv", "south.csv"] });
        Assert.Equal(["north", "south"], pool.Groups!.Select(group => group.Name));
        Assert.Equal([[0, 1], [2]], pool.Groups!.Select(group => group.Rows));
        Assert.Equal([3f, 0, 1], CsvFiles.Features(pool)[2]);
    }

    [Fact]
    public async Task The_values_of_a_column_are_natural_clients()
    {
        _files.Folder.File("a.csv", "ward,age,sex,ill\nB,1,f,0\nA,2,f,0\nB,3,f,1\n");
        DataPool pool = await _files.LoadAsync(new CsvSource { Files = ["a.csv"], ClientColumn = "ward" });
        Assert.Equal(["B", "A"], pool.Groups!.Select(group => group.Name));
        Assert.Equal([[0, 2], [1]], pool.Groups!.Select(group => group.Rows));
    }

    [Fact]
    public async Task A_number_is_shifted_by_the_center_and_divided_by_the_scale()
    {
        DataContract contract = CsvFiles.Contract with { Features = [new Feature { Name = "age", Center = 50, Scale = 20 }] };
        Assert.Equal([[-1f], [0.5f]], CsvFiles.Features(await _files.ReadAsync("age,ill\n30,0\n60,1\n", contract)));
    }

    [Fact]
    public async Task Without_the_first_category_it_is_all_zeros()
    {
        DataContract contract = CsvFiles.Contract with { Features = [new Feature { Name = "kind", Categories = ["1", "2", "3"], DropFirst = true }] };
        Assert.Equal([[0f, 0], [1, 0], [0, 1], [0, 1]], CsvFiles.Features(await _files.ReadAsync("kind,ill\n1,0\n2,0\n3,0\n3.0,0\n", contract)));
    }

    [Fact]
    public async Task Labels_are_class_names_class_numbers_or_a_threshold()
    {
        DataContract named = CsvFiles.Contract with { Label = new Label { Name = "ill", Classes = ["none", "mild", "severe"] } };
        DataPool pool = await _files.ReadAsync("age,sex,ill\n1,f,mild\n1,f,severe\n1,f,none\n", named);
        Assert.Equal([1f, 2, 0], CsvFiles.Labels(pool.Train));
        DataContract threshold = CsvFiles.Contract with { Label = new Label { Name = "ill", PositiveAbove = 0.5 } };
        pool = await _files.ReadAsync("age,sex,ill\n1,f,0.5\n1,f,4\n1,f,-3\n", threshold);
        Assert.Equal([0f, 1, 0], CsvFiles.Labels(pool.Train));
        pool = await _files.ReadAsync("age,sex,ill\n1,f,0\n1,f,1\n1,f,-2.5\n", loss: new MeanSquaredErrorSpec());
        Assert.Equal([0f, 1, -2.5f], CsvFiles.Labels(pool.Train));
    }
}
