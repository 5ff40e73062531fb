using FedCore.Cli.Display;
using FedCore.Tests;

namespace FedCore.Cli.Tests.Display;

public class TerminalTextTests
{
    [Theory]
    [InlineData("Krankenhäuser 医院 🏥", "Krankenhäuser 医院 🏥")]
    [InlineData("\u001b[31mred", "\\u001b[31mred")]
    [InlineData("\u009b31mred", "\\u009b31mred")] // The one-character form of ESC [, ECMA-48.
    [InlineData("one\r\ntwo", "one\\u000d\\u000atwo")]
    [InlineData("a\u202eb\u2066c\u2028", "a\\u202eb\\u2066c\\u2028")]
    [InlineData("\u007f\0", "\\u007f\\u0000")]
    public void Orders_to_the_terminal_are_shown_and_not_followed(string text, string shown) => Assert.Equal(shown, TerminalText.Escape(text));

    [Fact]
    public async Task Table_shows_the_name_of_a_run_and_does_not_follow_it()
    {
        using var folder = new TemporaryFolder();
        Fedcore.Outcome outcome = await Fedcore.SucceedAsync(
            "simulate", Fedcore.Hospitals, "--set", "rounds.count=1", "--set", "name=\"a\\u001b[2Jb\"", "--out", folder["o\u001b[31m"]);
        Assert.Contains("a\\u001b[2Jb (fedavg", outcome.Output, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', outcome.Output);
    }
}
