using System.Globalization;
using FedCore.Core.Tests;
using FedCore.Tests;
using FsCheck;
using FsCheck.Fluent;
using Grpc;
using Grpc.Core;

namespace FedCore.Protocol.Tests.Grpc;

/// <summary>The parts of gRPC over HTTP that are ours where the packages are not.</summary>
public class WireTests
{
    [Fact]
    public void It_stays_a_stand_in()
    {
        string folder = Path.Combine(SharedData.Repository, "src", "FedCore.Protocol", "Grpc");
        int lines = Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories).Sum(file => File.ReadLines(file).Count());
        Assert.InRange(lines, 500, 1500);
    }

    [Theory]
    [InlineData(0, "1u")]
    [InlineData(-5, "1u")]
    [InlineData(1, "1u")]
    [InlineData(10, "1u")]
    [InlineData(11, "2u")]
    [InlineData(50 * TimeSpan.TicksPerSecond, "50000000u")]
    [InlineData(100 * TimeSpan.TicksPerSecond, "100000m")]
    [InlineData(TimeSpan.TicksPerDay * 2, "172800S")]
    [InlineData(TimeSpan.TicksPerDay * 365 * 20, "10512000M")]
    [InlineData(TimeSpan.TicksPerDay * 365 * 300, "2628000H")]
    public void A_timeout_is_written_with_at_most_eight_digits(long ticks, string expected) => Assert.Equal(expected, Wire.FormatTimeout(TimeSpan.FromTicks(ticks)));

    [Fact]
    public void A_timeout_is_read_as_it_was_written_but_for_rounding_up() => Prop.ForAll(
        (from digits in Gen.Choose(1, 18) from value in Gen.Choose(1, 9) select value * (long)Math.Pow(10, digits - 1) + digits).ToArbitrary(),
        ticks =>
        {
            long read = Wire.ParseTimeout(Wire.FormatTimeout(TimeSpan.FromTicks(ticks)))!.Value.Ticks;
            Assert.InRange(read, ticks, Math.Max(ticks + 10, (long)(ticks * 1.0001)));
        }).Check(Properties.Cases(500));

    [Fact]
    public void A_message_is_read_as_it_was_written() => Prop.ForAll(ArbMap.Default.ArbFor<NonNull<string>>(), text =>
    {
        string escaped = Wire.EscapeMessage(text.Get);
        Assert.All(escaped, c => Assert.InRange(c, ' ', '~'));
        string valid = System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(text.Get));
        Assert.Equal(valid, Wire.UnescapeMessage(escaped));
    }).Check(Properties.Cases(500));

    [Theory]
    [InlineData("a\r\nb")]
    [InlineData("\u00e4")]
    [InlineData("\0")]
    [InlineData("\u007f")]
    public void A_value_that_would_leave_its_header_field_is_refused(string value)
    {
        ArgumentException fault = Assert.Throws<ArgumentException>(() => new Metadata { { "x-name", value } });
        Assert.Contains("x-name", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("x name")]
    [InlineData("x\r\nname")]
    [InlineData(":path")]
    [InlineData("x:name")]
    [InlineData("\u00e4")]
    public void A_name_that_is_none_is_refused(string name) => Assert.Throws<ArgumentException>(() => new Metadata { { name, "value" } });

    [Fact]
    public void Bytes_and_text_have_names_of_their_own()
    {
        Assert.Throws<ArgumentException>(() => new Metadata { { "x-bin", "text" } });
        Assert.Throws<ArgumentException>(() => new Metadata { { "x", new byte[1] } });
    }

    [Fact]
    public void Nobody_can_add_to_the_empty_metadata() => Assert.Throws<InvalidOperationException>(() => Metadata.Empty.Add("x", "y"));

    [Theory]
    [InlineData("AAEC", "000102")]
    [InlineData("AAE=", "0001")]
    [InlineData("AAE", "0001")]
    [InlineData("AAE, AAEC ,AA", "0001 000102 00")]
    [InlineData("", "")]
    [InlineData("A", null)]
    [InlineData("A!==", null)]
    public void Bytes_come_with_and_without_padding_and_joined_by_commas(string value, string? expected)
    {
        Metadata metadata = [];
        metadata.AddFromWire("X-Bin", value);
        Assert.Equal(expected, metadata.Count == 0 ? null : string.Join(' ', metadata.Select(entry => Convert.ToHexString(entry.ValueBytes).ToLower(CultureInfo.InvariantCulture))));
    }

    [Theory]
    [InlineData("x name", "v")]
    [InlineData("x", "\u00e4")]
    [InlineData("x", "a\tb")]
    public void What_is_no_metadata_is_dropped(string name, string value)
    {
        Metadata metadata = [];
        metadata.AddFromWire(name, value);
        Assert.Empty(metadata);
    }
}
