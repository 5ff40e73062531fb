using System.Text.Json.Nodes;
using FedCore.Json;

namespace FedCore.Core.Tests.Json;

public class JsonDocumentTests
{
    [Fact]
    public void Comments_and_trailing_commas_are_allowed() =>
        Assert.Equal(1, (int)JsonDocuments.Parse("{ // one\n \"a\": 1, /* two */ }", "f")["a"]!);

    [Fact]
    public void The_reference_to_a_schema_is_not_part_of_the_document() =>
        Assert.False(JsonDocuments.Parse("""{ "$schema": "x.json", "a": 1 }""", "f").ContainsKey("$schema"));

    // The fault is the letter x: line 3, and there the ninth byte.
    [Fact]
    public void A_syntax_error_is_named_by_line_and_column()
    {
        string message = Refusal("{\n  \"a\": 1,\n  \"b\": x\n}");
        Assert.StartsWith("f line 3, column 8: this is not valid JSON.", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_ends_too_early_is_refused() => Assert.StartsWith("f line 1", Refusal("{ \"a\": 1"), StringComparison.Ordinal);

    [Fact]
    public void A_key_that_stands_twice_is_refused_by_name() => Assert.Contains("'a'", Refusal("""{ "a": 1, "b": 2, "a": 3 }"""), StringComparison.Ordinal);

    [Fact]
    public void A_key_that_stands_twice_further_inside_is_refused_by_name() =>
        Assert.Contains("'c'", Refusal("""{ "a": [ { "c": 1, "c": 3 } ] }"""), StringComparison.Ordinal);

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("null")]
    [InlineData("[1]")]
    [InlineData("5")]
    [InlineData("{} {}")]
    public void A_file_that_is_not_one_object_is_refused(string text) => Assert.StartsWith("f", Refusal(text), StringComparison.Ordinal);

    [Theory]
    [InlineData("a.b=2", """{"a":{"b":2,"c":[10,{"d":1}]},"n":null}""")]
    [InlineData("a.new=2", """{"a":{"b":1,"c":[10,{"d":1}],"new":2},"n":null}""")]
    [InlineData("x.y.z=2", """{"a":{"b":1,"c":[10,{"d":1}]},"n":null,"x":{"y":{"z":2}}}""")]
    [InlineData("n.y=2", """{"a":{"b":1,"c":[10,{"d":1}]},"n":{"y":2}}""")]
    [InlineData("a.c[0]=2", """{"a":{"b":1,"c":[2,{"d":1}]},"n":null}""")]
    [InlineData("a.c[1].d=2", """{"a":{"b":1,"c":[10,{"d":2}]},"n":null}""")]
    [InlineData("a.c[1].e.f=2", """{"a":{"b":1,"c":[10,{"d":1,"e":{"f":2}}]},"n":null}""")]
    [InlineData("a.c=[[1,2],3]", """{"a":{"b":1,"c":[[1,2],3]},"n":null}""")]
    [InlineData("a=null", """{"a":null,"n":null}""")]
    [InlineData("a=", """{"a":"","n":null}""")]
    [InlineData("a=b=c", """{"a":"b=c","n":null}""")]
    [InlineData("a=some text", """{"a":"some text","n":null}""")]
    [InlineData("a=\"5\"", """{"a":"5","n":null}""")]
    [InlineData("a=1.50", """{"a":1.50,"n":null}""")]
    [InlineData("a=true", """{"a":true,"n":null}""")]
    [InlineData("a={\"k\":1}", """{"a":{"k":1},"n":null}""")]
    public void A_value_is_set_at_its_path(string assignment, string expected)
    {
        JsonObject document = Document();
        JsonDocuments.Set(document, assignment);
        Assert.Equal(expected, document.ToJsonString());
    }

    [Theory]
    [InlineData("""{ "a": { "b": ["x", "\ud800"] } }""", "f: a.b[1]: ")]
    [InlineData("""{ "name": "\udc00\ud800" }""", "f: name: ")]
    [InlineData("""{ "\ud800": 1 }""", "f: a key: ")]
    public void Half_of_a_surrogate_pair_is_refused_with_its_place(string text, string place)
    {
        var fault = Assert.Throws<FedCoreException>(() => JsonDocuments.Parse(text, "f"));
        Assert.Equal(("json.schema", FaultKind.Configuration), (fault.Code, fault.Kind));
        Assert.StartsWith(place + "a text holds half of a surrogate pair", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a=\"\\ud800\"")]
    [InlineData("a={\"\\ud800\":1}")]
    public void Half_of_a_surrogate_pair_is_not_set(string assignment)
    {
        var fault = Assert.Throws<FedCoreException>(() => JsonDocuments.Set(Document(), assignment));
        Assert.Equal((FaultKind.Usage, "json.set"), (fault.Kind, fault.Code));
        Assert.Contains("surrogate pair", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_value_in_a_list_of_lists_is_set()
    {
        var document = (JsonObject)JsonNode.Parse("""{"a":[[1,2],[3,4]]}""")!;
        JsonDocuments.Set(document, "a[1][0]=9");
        Assert.Equal("""{"a":[[1,2],[9,4]]}""", document.ToJsonString());
    }

    [Theory]
    [InlineData("a.b", "write it as path=value")]
    [InlineData("=5", "write it as path=value")]
    [InlineData("a..b=1", "the path has an empty part")]
    [InlineData(".a=1", "the path has an empty part")]
    [InlineData("a.=1", "the path has an empty part")]
    [InlineData("[0]=1", "the path has an empty part")]
    [InlineData("a.c[2]=1", "there is no entry [2]; the list has 2")]
    [InlineData("a.c[2].d=1", "there is no entry [2]; the list has 2")]
    [InlineData("a.c[-1]=1", "an index is written as in layers[0]")]
    [InlineData("a.c[x]=1", "an index is written as in layers[0]")]
    [InlineData("a.c[]=1", "an index is written as in layers[0]")]
    [InlineData("a.c[0=1", "an index is written as in layers[0]")]
    [InlineData("a.c[0]d=1", "an index is written as in layers[0]")]
    [InlineData("a.c[99999999999]=1", "an index is written as in layers[0]")]
    [InlineData("a.c.d=1", "'d' is no entry of a list; an index is written as in layers[0]")]
    [InlineData("a.b.x=1", "'x' does not lead anywhere in number")]
    [InlineData("a[0]=1", "'0' does not lead anywhere in object")]
    [InlineData("x[0]=1", "there is nothing at 'x'")]
    [InlineData("n[0].y=1", "there is nothing at 'n'")]
    public void A_path_that_leads_nowhere_is_refused_with_the_remedy(string assignment, string remedy)
    {
        var fault = Assert.Throws<FedCoreException>(() => JsonDocuments.Set(Document(), assignment));
        Assert.Equal((FaultKind.Usage, "json.set"), (fault.Kind, fault.Code));
        Assert.StartsWith($"--set {assignment}: {remedy}", fault.Message, StringComparison.Ordinal);
    }

    private static JsonObject Document() => (JsonObject)JsonNode.Parse("""{"a":{"b":1,"c":[10,{"d":1}]},"n":null}""")!;

    private static string Refusal(string text)
    {
        var fault = Assert.Throws<FedCoreException>(() => JsonDocuments.Parse(text, "f"));
        Assert.Equal("json.syntax", fault.Code);
        return fault.Message;
    }
}
