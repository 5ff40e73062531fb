using Xunit.Sdk;

namespace FedCore.Cli.Tests.Service;

/// <summary>The reader of metrics finds what breaks the format.</summary>
public class PrometheusTextTests
{
    [Theory]
    [InlineData("# TYPE a counter\na 1")]
    [InlineData("# TYPE a counter\na -1\n")]
    [InlineData("# TYPE a counter\na 1\na 2\n")]
    [InlineData("# TYPE a counter\na{x=\"1\",x=\"2\"} 1\n")]
    [InlineData("# TYPE a counter\na{x=\"1\"y=\"2\"} 1\n")]
    [InlineData("# TYPE a counter\na{x=\"\"\"} 1\n")]
    [InlineData("# TYPE a counter\na{x=\"\\t\"} 1\n")]
    [InlineData("# TYPE a counter\na{x.y=\"\"} 1\n")]
    [InlineData("# TYPE a counter\na.b 1\n")]
    [InlineData("# TYPE a counter\nb 1\n")]
    [InlineData("# TYPE a meter\na 1\n")]
    [InlineData("# TYPE a counter\n# TYPE a gauge\na 1\n")]
    [InlineData("# HELP a x\\y\n# TYPE a counter\na 1\n")]
    [InlineData("# TYPE a counter\na 1\n# TYPE b counter\nb 1\n# HELP a late\n")]
    [InlineData("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n")]
    [InlineData("# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n")]
    [InlineData("# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n")]
    public void What_breaks_the_format_is_found(string text) => Assert.ThrowsAny<XunitException>(() => PrometheusText.Parse(text));

    [Fact]
    public void What_keeps_to_the_format_is_read()
    {
        PrometheusText text = PrometheusText.Parse("# HELP a It \\\\ is.\n# TYPE a gauge\na{x=\"\\\"\\n\\\\\",y=\"\"} -Inf\na 1e3 1700000000\n# TYPE h histogram\nh_bucket{r=\"1\",le=\"2\"} 1\nh_bucket{r=\"1\",le=\"+Inf\"} 3\nh_sum{r=\"1\"} 9\nh_count{r=\"1\"} 3\n");
        Assert.Equal(3, text["h_count", "r=\"1\""]);
        Assert.Equal(double.NegativeInfinity, text["a", "y=\"\""]);
    }
}
