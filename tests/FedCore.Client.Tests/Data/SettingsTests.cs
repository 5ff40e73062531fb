using FedCore.Client.Data;
using FedCore.Json;
using FedCore.Tests;
using FedCore.Training.Data;
using FedCore.Training.Data.Csv;
using FedCore.Training.Data.Idx;

namespace FedCore.Client.Tests.Data;

/// <summary>Sources as a site's settings name them, and how their messages name the settings.</summary>
public sealed class SettingsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Sqlite_stands_in_settings_with_its_parameters()
    {
        var source = Assert.IsType<SqliteSource>(Read("""{"type":"sqlite","file":"patients.db","query":"select 1","rename":{"age":"years"},"timeoutSeconds":5}"""));
        Assert.Equal(("patients.db", "select 1", "years", 5), (source.File, source.Query, source.Rename["age"], source.TimeoutSeconds));
    }

    [Fact]
    public void Postgres_stands_in_settings_with_its_parameters()
    {
        var source = Assert.IsType<PostgresSource>(Read("""{"type":"postgres","connectionString":"Host=h","passwordVariable":"SECRET","query":"select 1"}"""));
        Assert.Equal(("Host=h", "SECRET", "select 1", 600), (source.ConnectionString, source.PasswordVariable, source.Query, source.TimeoutSeconds));
    }

    [Fact]
    public void Csv_stands_in_settings_like_in_run_files() => Assert.Equal(["a.csv"], Assert.IsType<CsvSource>(Read("""{"type":"csv","files":["a.csv"]}""")).Files);

    [Theory]
    [InlineData("""{"type":"sqlite","query":"select 1"}""", "data has no \"file\"")]
    [InlineData("""{"type":"sqlite","file":"a.db","query":""}""", "data.query")]
    [InlineData("""{"type":"postgres","connectionString":"Host=h","query":"q","timeoutSeconds":0}""", "data.timeoutSeconds is 0")]
    [InlineData("""{"type":"sqlite","file":"a.db","query":"q","clientColumn":"ward"}""", "data.clientColumn is not known")]
    [InlineData("""{"type":"sqlit","file":"a.db","query":"q"}""", "Did you mean \"sqlite\"?")]
    public void A_mistake_is_answered_with_its_place(string json, string answer) =>
        Assert.Contains(answer, Assert.Throws<FedCoreException>(() => Read(json)).Message, StringComparison.Ordinal);

    [Fact]
    public async Task Messages_of_sources_that_run_files_have_too_speak_of_the_sites_settings()
    {
        _folder.File("a.csv", "age,gender,ill\n30,m,1\n");
        _folder.File("one.csv", "age;sex;ill\n30;m;1\n");
        IDataSource[] sources =
        [
            new CsvSource { Files = ["a.csv"] }, new CsvSource { Files = ["absent.csv"] }, new CsvSource { Files = ["one.csv"] }, new CsvSource { Files = ["a.csv"], Delimiter = "\n" },
            new CsvSource { Files = ["a.csv"], ClientColumn = "ward", Rename = new Dictionary<string, string> { ["sex"] = "gender" } }, new CsvSource { Files = ["a.csv"], Dataset = "mnst" },
            new IdxSource { Images = "absent", TestImages = null, TestLabels = null }, new IdxSource { TestImages = null }, new IdxSource { Dataset = "mnist" },
        ];
        string[] keys =
        [
            "data.rename", "data.files[0]", "data.delimiter", "data.delimiter", "data.clientColumn", "data.dataset", "data.images", "data: testImages", "data.images",
        ];
        for (int i = 0; i < sources.Length; i++)
        {
            var fault = await Assert.ThrowsAsync<FedCoreException>(() => sources[i].LoadAsync(_folder.AtSite(Runs.Plan()), TestContext.Current.CancellationToken).AsTask());
            Assert.Contains(keys[i], fault.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("simulation", fault.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("--data", fault.Message, StringComparison.Ordinal);
        }
    }

    private static IDataSource Read(string json) => JsonDocuments.Read<Settings>(JsonDocuments.Parse($"{{\"data\":{json}}}", "site.json"), Runs.Names, "site.json").Data;

    private sealed record Settings
    {
        public required IDataSource Data { get; init; }
    }
}
