using FedCore.Models;
using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Core.Tests.Updates;

public class UpdateLayoutTests
{
    private static readonly UpdateLayout Layout = new(
        new Section("before", SectionRole.Control, 5),
        new Section("weight", SectionRole.Weight, 1),
        new Section("model", SectionRole.Model, 10, Weighting.Scalar),
        new Section("histogram", SectionRole.Indicator, 3),
        new Section("after", SectionRole.Control, 7),
        new Section("loss", SectionRole.Metric, 1));

    [Theory]
    [InlineData("before", 0)]
    [InlineData("model", 5)]
    [InlineData("after", 15)]
    [InlineData("weight", 0)]
    [InlineData("histogram", 1)]
    [InlineData("loss", 4)]
    public void Vectors_and_numbers_each_lie_one_behind_the_other(string section, long offset) => Assert.Equal(offset, Layout.Find(section).Offset);

    [Fact]
    public void Lengths_add_up_by_part() => Assert.Equal((22, 5), (Layout.VectorLength, Layout.ScalarCount));

    // 22 floats and 5 doubles.
    [Fact]
    public void An_update_takes_four_bytes_per_vector_element_and_eight_per_number() => Assert.Equal(22 * 4 + 5 * 8, Layout.ByteLength);

    [Fact]
    public void An_unknown_section_is_refused_with_the_known_ones()
    {
        var fault = Assert.Throws<ArgumentException>(() => Layout.Find("gradient"));
        Assert.Contains("before, weight, model, histogram, after, loss", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_sections_with_one_name_are_refused() =>
        Assert.Throws<ArgumentException>(() => Layout.With(new Section("model", SectionRole.Metric, 1)));

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void A_section_without_elements_is_refused(long length) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new UpdateLayout(new Section("a", SectionRole.Model, length)));

    [Fact]
    public void A_model_layout_has_one_weighted_section_of_the_trainable_tensors()
    {
        var schema = new ModelSchema([("a", new Shape(2, 3), TensorType.F32, TensorRole.Trainable), ("b", new Shape(9), TensorType.F32, TensorRole.Frozen)]);
        Assert.Equal([new Section("model", SectionRole.Model, 6, Weighting.Scalar)], UpdateLayout.ForModel(schema).Sections);
    }

    [Fact]
    public void Sections_longer_than_an_array_are_laid_out()
    {
        var layout = new UpdateLayout(new Section("a", SectionRole.Model, 5_000_000_000), new Section("b", SectionRole.Control, 5_000_000_000));
        Assert.Equal((5_000_000_000, 10_000_000_000), (layout.Find("b").Offset, layout.VectorLength));
    }

    [Theory]
    [InlineData("model", -1, 1)]
    [InlineData("model", 10, 1)]
    [InlineData("model", 8, 3)]
    [InlineData("weight", 0, 1)]
    public void A_sum_never_shows_more_than_the_section_that_was_asked_for(string section, long offset, int count)
    {
        using var vector = new FlatVector(22);
        var sum = new UpdateSum(Layout, vector, new double[5], 1);
        Assert.Throws<ArgumentOutOfRangeException>(() => _ = sum.Slice(section, offset, count).Length);
    }

    [Fact]
    public void A_sum_gives_each_section_its_part()
    {
        using var vector = new FlatVector(22);
        for (int i = 0; i < 22; i++) vector.AsSpan()[i] = i;
        var sum = new UpdateSum(Layout, vector, [10, 11, 12, 13, 14], 1);
        Assert.Equal([17, 18], sum.Slice("after", 2, 2).ToArray());
        Assert.Equal((10, 13, 14), (sum.Weight, sum.Scalar("histogram", 2), sum.Scalar("loss")));
    }

    [Theory]
    [InlineData("histogram", 3)]
    [InlineData("histogram", -1)]
    [InlineData("model", 0)]
    public void A_number_that_a_section_does_not_have_is_refused(string section, int index)
    {
        using var vector = new FlatVector(22);
        var sum = new UpdateSum(Layout, vector, new double[5], 1);
        Assert.Throws<ArgumentOutOfRangeException>(() => sum.Scalar(section, index));
    }

    [Theory]
    [InlineData(21, 5)]
    [InlineData(23, 5)]
    [InlineData(22, 4)]
    public void A_sum_over_buffers_of_another_length_is_refused(int vectorLength, int scalars)
    {
        using var vector = new FlatVector(vectorLength);
        Assert.Throws<ArgumentOutOfRangeException>(() => new UpdateSum(Layout, vector, new double[scalars], 1));
    }
}
