using System.Text.Json.Nodes;
using FedCore.Aggregator.Settings;
using FedCore.Naming;
using FedCore.Tests;

namespace FedCore.Aggregator.Tests.Settings;

/// <summary>Settings as an operator writes them, and the answers to mistakes.</summary>
public sealed class AggregatorSettingsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void All_settings_are_read_from_their_section_of_the_file()
    {
        AggregatorSettings settings = Read("""
            {
              "Logging": { "anything": 1 },
              "aggregator": {
                "listen": ["https://0.0.0.0:8443", "http://127.0.0.1:1"],
                "certificate": { "path": "a.pem", "keyPath": "a.key", "password": "p" }, "allowInsecure": true, "dataFolder": "kept", "postgres": "Host=h",
                "threads": 3, "pollSeconds": 4, "livenessSeconds": 5, "inlineBytes": 6, "keepModels": 7, "otlp": "http://localhost:4318",
              },
            }
            """);
        Assert.Equal(["https://0.0.0.0:8443", "http://127.0.0.1:1"], settings.Listen);
        Assert.Equal(
            (true, "Host=h", 3, 4, 5, 6, 7, "http://localhost:4318"),
            (settings.AllowInsecure, settings.Postgres, settings.Threads, settings.PollSeconds, settings.LivenessSeconds, settings.InlineBytes, settings.KeepModels, settings.Otlp));
        Assert.Equal(new CertificateSettings { Path = "a.pem", KeyPath = "a.key", Password = "p" }, settings.Certificate);
    }

    [Fact]
    public void Paths_begin_at_the_folder_of_the_settings_file()
    {
        AggregatorSettings settings = Read("""{ "aggregator": { "dataFolder": "kept" } }""");
        Assert.Equal(_folder["kept"], settings.PathOf(settings.DataFolder));
    }

    [Theory]
    [InlineData("dataFolder=kept")]
    [InlineData("dataFolder=\"kept\"")]
    public void A_text_may_be_set_as_it_is_or_as_JSON(string assignment) => Assert.Equal("kept", AggregatorSettings.Read(null, [], [assignment]).Settings.DataFolder);

    [Fact]
    public void An_aggregator_needs_no_settings()
    {
        AggregatorSettings settings = AggregatorSettings.Read(null, [], []).Settings;
        Assert.Equal(["http://127.0.0.1:8470"], settings.Listen);
    }

    [Fact]
    public void The_environment_changes_the_file_and_assignments_change_both()
    {
        AggregatorSettings settings = Read(
            """{ "aggregator": { "keepModels": 2, "pollSeconds": 2, "threads": 2 } }""",
            new()
            {
                ["FEDCORE_AGGREGATOR__POLLSECONDS"] = "3",
                ["fedcore_aggregator__threads"] = "3",
                ["FEDCORE_AGGREGATOR__CERTIFICATE__PATH"] = "c.pem",
                ["FEDCORE_AGGREGATOR__LISTEN"] = "[\"http://127.0.0.1:3\"]",
                ["FEDCORE_CLIENT__CACHEMB"] = "not the aggregator's",
            },
            "threads=4", "certificate.password=12");
        Assert.Equal((2, 3, 4, "c.pem", "12"), (settings.KeepModels, settings.PollSeconds, settings.Threads, settings.Certificate!.Path, settings.Certificate.Password));
        Assert.Equal("http://127.0.0.1:3", Assert.Single(settings.Listen));
    }

    public static TheoryData<string, string[]> Mistakes => new()
    {
        { "\"aggregator\": { \"liesten\": [] }", ["aggregator.liesten is not known", "Did you mean \"listen\"?"] },
        { "\"aggregator\": { \"listen\": [] }", ["aggregator.listen has 0 entries", "at least 1"] },
        { "\"aggregator\": { \"listen\": \"http://127.0.0.1:1\" }", ["aggregator.listen is \"http://127.0.0.1:1\"", "a list"] },
        { "\"aggregator\": { \"pollSeconds\": 56 }", ["aggregator.pollSeconds is 56", "at most 55"] },
        { "\"aggregator\": { \"livenessSeconds\": 1.5 }", ["aggregator.livenessSeconds is 1.5", "a whole number"] },
        { "\"aggregator\": { \"dataFolder\": \"\" }", ["aggregator.dataFolder is \"\"", "at least 1 character"] },
        { "\"aggregator\": { \"certificate\": {} }", ["aggregator.certificate has no \"path\""] },
        { "\"aggregator\": { \"folder\": \"/tmp\" }", ["aggregator.folder is not known"] },
        { "\"aggregator\": { \"otlp\": \"localhost:4318\" }", ["aggregator.otlp is 'localhost:4318'", "such as http://localhost:4318"] },
        { "\"aggregator\": { \"plugIns\": [{ \"path\": \"absent.dll\" }] }", ["aggregator.plugIns[0].path is 'absent.dll'", "Install it there"] },
        { "\"aggregator\": { \"plugIns\": [{ \"file\": \"a.dll\" }] }", ["aggregator.plugIns[0].file is not known"] },
        { "\"aggregator\": []", ["aggregator must be an object"] },
        { "\"agregator\": {}", ["has no section \"aggregator\""] },
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
        var fault = Assert.Throws<FedCoreException>(() => Read("{ \"aggregator\": {} }", new() { ["FEDCORE_AGGREGATOR__KEEPMODELS"] = "all" }));
        Assert.Contains("aggregator.keepModels is \"all\"", fault.Message, StringComparison.Ordinal);
        Assert.Contains("FEDCORE_AGGREGATOR__KEEPMODELS", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_schema_describes_the_section_and_leaves_others_alone()
    {
        JsonObject schema = AggregatorSettings.Schema(Registry.CreateDefault());
        JsonNode section = schema["properties"]!["aggregator"]!;
        Assert.Equal("55", section["properties"]!["pollSeconds"]!["maximum"]!.ToJsonString());
        Assert.Equal("[\"http://127.0.0.1:8470\"]", section["properties"]!["listen"]!["default"]!.ToJsonString());
        Assert.False(section["additionalProperties"]!.GetValue<bool>());
        Assert.False(schema.ContainsKey("additionalProperties"));
    }

    private AggregatorSettings Read(string json, Dictionary<string, string>? environment = null, params string[] assignments) =>
        AggregatorSettings.Read(_folder.File("aggregator.json", json), environment ?? [], assignments).Settings;
}
