namespace FedCore.Core.Tests.Errors;

public class ShownTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("naïve 東京 😀", "naïve 東京 😀")]
    [InlineData("\u001b[2Jgone", "\\u001B[2Jgone")]
    [InlineData("a\r\nb\tc\0", "a\\u000D\\u000Ab\\u0009c\\u0000")]
    [InlineData("\u009b31m", "\\u009B31m")]
    [InlineData("abc\u202edef", "abc\\u202Edef")]
    public void What_has_no_glyph_is_spelt_out(string text, string shown) => Assert.Equal(shown, Shown.Of(text));

    [Fact]
    public void Half_of_a_pair_is_spelt_out() => Assert.Equal("x\\uD800y", Shown.Of("x" + (char)0xD800 + "y"));

    [Fact]
    public void A_long_value_is_shown_by_its_beginning()
    {
        Assert.Equal(new string('9', 80), Shown.Of(new string('9', 80)));
        Assert.Equal(new string('9', 80) + "...", Shown.Of(new string('9', 81)));
        Assert.Equal("ab...", Shown.Of("abc", 2));
    }

    [Fact]
    public void A_long_list_is_shown_by_its_first_entries()
    {
        Assert.Equal("a, \\u001B", Shown.List(["a", "\u001b"]));
        Assert.EndsWith("t, t, ...", Shown.List(Enumerable.Repeat("t", 21)), StringComparison.Ordinal);
    }
}
