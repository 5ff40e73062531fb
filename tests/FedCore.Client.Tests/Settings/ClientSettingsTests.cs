using System.Text.Json.Nodes;
using FedCore.Client.Data;
using FedCore.Client.Settings;
using FedCore.Client.Tests.Data;
using FedCore.Hosting.Settings;
using FedCore.Tests;
using FedCore.Training.Data.Csv;
using FedCore.Training.Engine;

namespace FedCore.Client.Tests.Settings;

/// <summary>Settings as an operator writes them, and the answers to mistakes.</summary>
public sealed class ClientSettingsTests : IDisposable
{
    private const string Needed = "\"aggregator\": \"https://a.example\", \"token\": \"t\", \"data\": { \"type\": \"csv\", \"files\": [\"a.csv\"] }";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void All_settings_are_read_from_their_section_of_the_file()
    {
        ClientSettings settings = Read("""
            {
              // Other sections are other programs' business.
              "Logging": { "anything": 1 },
              "client": {
                "aggregator": "https://a.example:8443", "tokenFile": "token.txt", "dataFolder": "kept",
                "data": { "type": "sqlite", "file": "p.db", "query": "select 1" }, "testFraction": 0.3, "trainer": { "type": "embedded" },
                "limits": { "threads": 2, "nice": 10 }, "web": true, "allowInsecure": true, "trustedCertificate": "ca.pem", "cacheMb": 5, "stopSeconds": 7,
              },
            }
            """);
        Assert.Equal(
            ("https://a.example:8443", (string?)null, "token.txt", "kept", 0.3, true, true, "ca.pem", 5, 7),
            (settings.Aggregator, settings.Token, settings.TokenFile, settings.DataFolder, settings.TestFraction, settings.Web, settings.AllowInsecure, settings.TrustedCertificate, settings.CacheMb, settings.StopSeconds));
        Assert.IsType<SqliteSource>(settings.Data);
        Assert.IsType<EmbeddedTrainer>(settings.Trainer);
        Assert.Equal((2, 10), (settings.Limits.Threads, settings.Limits.Nice));
        Assert.Equal(_folder["kept"], settings.PathOf(settings.DataFolder));
    }

    [Fact]
    public void What_is_not_said_has_a_default()
    {
        ClientSettings settings = Read($"{{ \"client\": {{ {Needed} }} }}");
        Assert.Equal(("client-data", 0.2, 2000, 30, false, false), (settings.DataFolder, settings.TestFraction, settings.CacheMb, settings.StopSeconds, settings.Web, settings.AllowInsecure));
        Assert.Null(settings.Trainer);
    }

    [Fact]
    public void The_environment_changes_the_file_and_assignments_change_both()
    {
        ClientSettings settings = Read(
            $"{{ \"client\": {{ {Needed}, \"cacheMb\": 1 }} }}",
            new()
            {
                ["FEDCORE_CLIENT__TOKEN"] = "12345",
                ["fedcore_client__cachemb"] = "2",
                ["FEDCORE_CLIENT__STOPSECONDS"] = "3",
                ["FEDCORE_CLIENT__DATA__FILES"] = "[\"b.csv\"]",
                ["FEDCORE_CLIENT__DATA__DELIMITER"] = "1",
                ["FEDCORE_CLIENT__LIMITS__MEMORYMB"] = "500",
                ["FEDCORE_CLIENT"] = "not one",
                ["OTHER"] = "x",
            },
            "stopSeconds=4", "data.files[0]=c.csv");
        Assert.Equal(("12345", 2, 4, 500), (settings.Token, settings.CacheMb, settings.StopSeconds, settings.Limits.MemoryMb));
        CsvSource source = Assert.IsType<CsvSource>(settings.Data);
        Assert.Equal(("c.csv", "1"), (Assert.Single(source.Files), source.Delimiter));
    }

    [Fact]
    public void The_environment_alone_suffices()
    {
        ClientSettings settings = ClientSettings.Read(
            null,
            new Dictionary<string, string>
            {
                ["FEDCORE_CLIENT__AGGREGATOR"] = "https://a.example",
                ["FEDCORE_CLIENT__TOKEN"] = "true",
                ["FEDCORE_CLIENT__DATA__TYPE"] = "csv",
                ["FEDCORE_CLIENT__DATA__FILES"] = "[\"a.csv\"]",
            },
            []).Settings;
        Assert.Equal("true", settings.Token);
        Assert.IsType<CsvSource>(settings.Data);
    }

    public static TheoryData<string, string[]> Mistakes => new()
    {
        { $"\"client\": {{ {Needed}, \"tokn\": 1 }}", ["client.tokn is not known", "Did you mean \"token\"?"] },
        { $"\"client\": {{ {Needed}, \"name\": \"north\" }}", ["client.name is not known"] },
        { $"\"client\": {{ {Needed}, \"testFraction\": 1 }}", ["client.testFraction is 1", "below 1"] },
        { $"\"client\": {{ {Needed}, \"cacheMb\": 0 }}", ["client.cacheMb is 0", "at least 1"] },
        { $"\"client\": {{ {Needed}, \"web\": \"yes\" }}", ["client.web is \"yes\"", "true or false"] },
        { $"\"client\": {{ {Needed}, \"limits\": {{ \"memory\": 5 }} }}", ["client.limits.memory is not known", "memoryMb"] },
        { $"\"client\": {{ {Needed}, \"tokenFile\": \"x\" }}", ["either \"token\" or \"tokenFile\""] },
        { "\"client\": { \"aggregator\": \"https://a\", \"token\": \"t\" }", ["client has no \"data\""] },
        { "\"client\": { \"aggregator\": \"https://a\", \"data\": { \"type\": \"csv\", \"files\": [\"a\"] } }", ["either \"token\" or \"tokenFile\""] },
        { "\"client\": { \"aggregator\": \"https://a\", \"token\": \"t\", \"data\": { \"type\": \"csw\" } }", ["client.data.type is \"csw\"", "Did you mean \"csv\"?"] },
        { "\"client\": { \"aggregator\": \"a.example\", \"token\": \"t\", \"data\": { \"type\": \"csv\", \"files\": [\"a\"] } }", ["client.aggregator is 'a.example'", "https://host"] },
        { "\"client\": { \"aggregator\": \"ftp://a\", \"token\": \"t\", \"data\": { \"type\": \"csv\", \"files\": [\"a\"] } }", ["client.aggregator is 'ftp://a'"] },
        { "\"client\": { \"aggregator\": \"https://a/path\", \"token\": \"t\", \"data\": { \"type\": \"csv\", \"files\": [\"a\"] } }", ["more than an address"] },
        { "\"client\": { \"aggregator\": \"http://a.example\", \"token\": \"t\", \"data\": { \"type\": \"csv\", \"files\": [\"a\"] } }", ["client.aggregator is 'http://a.example'", "Use https", "client.allowInsecure"] },
        { "\"client\": 5", ["client must be an object"] },
        { "\"client\": {}", ["client has no \"aggregator\""] },
        { "\"clients\": {}", ["has no section \"client\""] },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void A_mistake_is_answered_with_place_value_and_remedy(string json, string[] answers)
    {
        var fault = Assert.Throws<FedCoreException>(() => Read($"{{ {json} }}"));
        Assert.Equal(FaultKind.Configuration, fault.Kind);
        Assert.All(answers, answer => Assert.Contains(answer, fault.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_mistake_in_the_environment_is_answered_with_the_variables_name()
    {
        var fault = Assert.Throws<FedCoreException>(() => Read($"{{ \"client\": {{ {Needed} }} }}", new() { ["FEDCORE_CLIENT__CACHEMB"] = "many" }));
        Assert.Contains("client.cacheMb is \"many\"", fault.Message, StringComparison.Ordinal);
        Assert.Contains("FEDCORE_CLIENT__CACHEMB", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://127.0.0.1:5000")]
    [InlineData("http://localhost:5000")]
    [InlineData("http://[::1]:5000")]
    public void This_machine_may_be_reached_without_encryption(string address)
    {
        ClientSettings settings = Read($"{{ \"client\": {{ {Needed} }} }}", assignments: $"aggregator={address}");
        Assert.False(settings.IsInsecure);
    }

    [Fact]
    public void A_file_that_is_named_must_be_there()
    {
        var fault = Assert.Throws<FedCoreException>(() => ClientSettings.Read(_folder["absent.json"], [], []));
        Examples.AssertFault(fault, FaultKind.Configuration, "client.settings", "absent.json");
    }

    [Fact]
    public void A_file_that_is_no_json_is_answered_with_line_and_column() =>
        Assert.Contains("site.json line 2, column", Assert.Throws<FedCoreException>(() => Read("{\n x")).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("--sett", "x=1")]
    [InlineData("a.json", "b.json")]
    [InlineData("--set")]
    public async Task Arguments_that_are_not_known_are_a_fault_of_usage(params string[] args)
    {
        FedCoreException fault = await Assert.ThrowsAsync<FedCoreException>(() => ClientHost.RunAsync(args, TextWriter.Null, TestContext.Current.CancellationToken));
        Assert.Equal(FaultKind.Usage, fault.Kind);
    }

    [Fact]
    public void A_token_is_not_in_the_settings_text() => Assert.DoesNotContain("hidden", (Read($"{{ \"client\": {{ {Needed} }} }}") with { Token = "hidden" }).ToString(), StringComparison.Ordinal);

    [Fact]
    public void Parts_of_a_plug_in_may_stand_in_the_settings_that_list_it()
    {
        string plugIn = Path.Combine(PlugIns.SamplePlugIn.Folder, PlugIns.SamplePlugIn.File).Replace('\\', '/');
        ReadSettings<ClientSettings> read = ClientSettings.Read(
            _folder.File("site.json", $$"""
                { "client": { "aggregator": "https://a.example", "token": "t", "plugIns": [{ "path": "{{plugIn}}" }], "data": { "type": "fever", "fahrenheit": [98.6] }, "trainer": { "type": "counting" } } }
                """),
            [], []);
        Assert.Equal(("FeverSource", "CountingTrainer"), (read.Settings.Data.GetType().Name, read.Settings.Trainer!.GetType().Name));
        Assert.Equal("FedCore.PlugIn.Sample", Assert.Single(read.PlugIns).Assembly);
        Assert.Contains("halfSteps", read.Registry.NamesOf(typeof(Strategies.IStrategy)).Keys);
    }

    [Fact]
    public void A_plug_in_that_is_not_there_is_answered_with_its_place_in_the_settings() => Assert.Contains(
        "client.plugIns[0].path is 'absent.dll'",
        Assert.Throws<FedCoreException>(() => Read($"{{ \"client\": {{ {Needed}, \"plugIns\": [{{ \"path\": \"absent.dll\" }}] }} }}")).Message, StringComparison.Ordinal);

    [Fact]
    public void The_schema_describes_the_section_with_its_limits_and_the_names_of_data_sources()
    {
        JsonObject schema = ClientSettings.Schema(Runs.Names);
        JsonNode client = schema["properties"]!["client"]!;
        Assert.Equal("1", client["properties"]!["testFraction"]!["exclusiveMaximum"]!.ToJsonString());
        Assert.Contains("\"postgres\"", client["properties"]!["data"]!.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal(["aggregator", "data"], client["required"]!.AsArray().Select(name => name!.GetValue<string>()));
        Assert.False(client["additionalProperties"]!.GetValue<bool>());
        Assert.False(schema.ContainsKey("additionalProperties"));
    }

    private ClientSettings Read(string json, Dictionary<string, string>? environment = null, params string[] assignments) =>
        ClientSettings.Read(_folder.File("site.json", json), environment ?? [], assignments).Settings;
}
