using FedCore.Numerics;
using FedCore.Updates;
using FsCheck;
using FsCheck.Fluent;

namespace FedCore.Core.Tests.Updates;

public class UpdateTests
{
    private static readonly Section Weight = new(Section.Weight, SectionRole.Weight, 1);

    // Lengths on both sides of a block, with and without sections around the model.
    public static TheoryData<int, int, int> Layouts => new()
    {
        { 0, 1, 0 }, { 0, 4096, 0 }, { 0, 4097, 0 }, { 0, 10_000, 0 }, { 3, 10_000, 0 }, { 0, 10_000, 5000 }, { 5000, 10_000, 3 }, { 4096, 4096, 4096 },
    };

    [Theory]
    [MemberData(nameof(Layouts))]
    public void Blocks_hold_weight_times_local_minus_global_between_the_sections_around(int before, int model, int after)
    {
        UpdateLayout layout = Layout(before, model, after);
        using FlatVector values = new(layout.VectorLength), global = Random(model, 1), local = Random(model, 2);
        var update = new Update(layout, values) { Weight = 3 };
        if (before > 0) update.Vector("before", 0, before).Fill(7);
        if (after > 0) update.Vector("after", 0, after).Fill(9);
        update.WriteModelChange(global, local);
        update.Complete();

        float[] change = [.. local.AsSpan().ToArray().Zip(global.AsSpan().ToArray(), (l, g) => (l - g) * 3)];
        Assert.Equal([.. Enumerable.Repeat(7f, before), .. change, .. Enumerable.Repeat(9f, after)], ReadAll(update));
    }

    // Also against a model that is not finite itself, which is put back as ever.
    [Theory]
    [InlineData(1f, float.NaN)]
    [InlineData(float.NaN, float.NaN)]
    [InlineData(float.MaxValue, -float.MaxValue)]
    public void What_counts_as_nothing_changes_nothing_and_weighs_as_much(float globalValue, float localValue)
    {
        UpdateLayout layout = Layout(0, 5000, 4);
        using FlatVector own = new(layout.VectorLength), global = new(5000);
        global.AsSpan().Fill(globalValue);
        var update = new Update(layout, own) { Weight = 3 };
        own.AsSpan().Fill(localValue);
        update.Vector("after", 0, 4).Fill(9);
        update.WriteModelChange(global, own);
        update.Complete();
        update.ClipModel(1);
        Assert.False(update.IsFinite);
        update.CountAsNothing();
        Assert.True(update.IsFinite);
        Assert.Equal(new float[5004], ReadAll(update));
        Assert.Equal(3, update.Weight);
        Assert.Same(global, update.Restored);

        // The next client's counts again.
        update.Reset();
        update.Weight = 1;
        global.AsSpan().Clear();
        own.Slice(0, 5000).Fill(2);
        update.WriteModelChange(global, own);
        update.Complete();
        Assert.Equal(2, ReadAll(update)[4999]);
    }

    [Theory]
    [InlineData(100)]
    [InlineData(9000)]
    public void A_model_that_was_trained_in_the_updates_own_memory_gives_the_same_change(int length)
    {
        UpdateLayout layout = Layout(0, length, 4);
        using FlatVector own = new(layout.VectorLength), other = new(layout.VectorLength), global = Random(length, 1), local = Random(length, 2);
        local.AsSpan().CopyTo(own.AsSpan());
        Update shared = new(layout, own) { Weight = 5 }, apart = new(layout, other) { Weight = 5 };
        shared.Reset();
        shared.Weight = 5;
        shared.WriteModelChange(global, own);
        apart.WriteModelChange(global, local);
        shared.Complete();
        apart.Complete();
        Assert.Null(shared.Restored);
        Assert.Equal(ReadAll(apart), ReadAll(shared));

        // Reading put the global model back, in the update's own memory only.
        Assert.Same(global, shared.Restored);
        Assert.Equal(global.AsSpan().ToArray(), own.Slice(0, length).ToArray());
        Assert.Throws<InvalidOperationException>(() => _ = shared.ReadBlock(0).Length);
        Assert.Null(apart.Restored);
        Assert.NotEqual(global.AsSpan().ToArray(), local.AsSpan().ToArray());
    }

    [Fact]
    public void No_block_is_longer_than_a_block() => Prop.ForAll(Gen.Choose(0, 9000).Three().ToArbitrary(), lengths =>
    {
        UpdateLayout layout = Layout(lengths.Item1, lengths.Item2 + 1, lengths.Item3);
        using FlatVector values = new(layout.VectorLength), model = new(lengths.Item2 + 1);
        var update = new Update(layout, values) { Weight = 1 };
        update.WriteModelChange(model, model);
        update.Complete();
        long offset = 0;
        while (offset < layout.VectorLength)
        {
            int count = update.ReadBlock(offset).Length;
            if (count is < 1 or > VectorBlocks.BlockLength) return false;
            offset += count;
        }

        return offset == layout.VectorLength;
    }).Check(Properties.Cases(100));

    [Fact]
    public void Sections_that_are_weighted_are_multiplied_by_the_weight_once_and_others_never()
    {
        var layout = new UpdateLayout(
            new Section("weighted", SectionRole.Control, 2, Weighting.Scalar), new Section("plain", SectionRole.Control, 2),
            new Section("sum", SectionRole.Metric, 2, Weighting.Scalar), new Section("count", SectionRole.Metric, 1), Weight);
        using var values = new FlatVector(4);
        var update = new Update(layout, values) { Weight = 4 };
        update.Vector("weighted", 0, 2).Fill(3);
        update.Vector("plain", 0, 2).Fill(3);
        update.Scalar("sum", 0) = 5;
        update.Scalar("sum", 1) = 6;
        update.Scalar("count") = 7;
        update.Complete();
        update.Complete();
        Assert.Equal([12, 12, 3, 3], ReadAll(update));
        Assert.Equal([20, 24, 7, 4], update.Scalars.ToArray());
    }

    [Fact]
    public void A_model_section_that_was_written_as_a_vector_is_weighted_too()
    {
        UpdateLayout layout = Layout(0, 3, 0);
        using var values = new FlatVector(3);
        var update = new Update(layout, values) { Weight = 4 };
        update.Vector(Section.Model, 0, 3).Fill(2);
        update.Complete();
        Assert.Equal([8, 8, 8], ReadAll(update));
    }

    [Theory]
    [InlineData("model")]
    [InlineData("local")]
    [InlineData("after")]
    [InlineData("weight")]
    public void An_update_with_a_value_that_is_not_finite_says_so(string where)
    {
        UpdateLayout layout = Layout(0, 5000, 5000);
        using FlatVector values = new(layout.VectorLength), global = new(5000), local = new(5000);
        var update = new Update(layout, values) { Weight = where == "weight" ? double.PositiveInfinity : 1 };
        if (where == "local") local.AsSpan()[^1] = float.NaN;
        if (where == "after") update.Vector("after", 4999, 1)[0] = float.NegativeInfinity;
        if (where == "model") update.Vector("model", 4999, 1)[0] = float.NaN;
        else update.WriteModelChange(global, local);
        update.Complete();
        Assert.False(update.IsFinite);
    }

    [Fact]
    public void A_finite_update_says_so()
    {
        UpdateLayout layout = Layout(10, 5000, 10);
        using FlatVector values = new(layout.VectorLength), global = Random(5000, 1), local = Random(5000, 2);
        var update = new Update(layout, values) { Weight = 2 };
        update.WriteModelChange(global, local);
        update.Complete();
        Assert.True(update.IsFinite);
    }

    [Fact]
    public void Nothing_of_one_client_is_left_for_the_next_after_a_reset()
    {
        UpdateLayout layout = Layout(10, 20, 10);
        using FlatVector values = new(layout.VectorLength), global = new(20), local = new(20);
        var update = new Update(layout, values) { Weight = double.NaN };
        update.Vector("before", 0, 10).Fill(7);
        update.Vector("after", 0, 10).Fill(7);
        update.WriteModelChange(global, local);
        update.Complete();

        update.Reset();
        update.Weight = 1;
        update.WriteModelChange(global, local);
        update.Complete();
        Assert.True(update.IsFinite);
        Assert.Equal(new float[40], ReadAll(update));
    }

    [Fact]
    public void A_buffer_shorter_than_the_layout_is_refused()
    {
        using var values = new FlatVector(9);
        Assert.Throws<ArgumentOutOfRangeException>(() => new Update(Layout(0, 10, 0), values));
    }

    [Theory]
    [InlineData("model", 8, 3)]
    [InlineData("model", -1, 1)]
    [InlineData("model", 0, -1)]
    [InlineData("weight", 0, 1)]
    public void A_view_outside_a_section_is_refused(string section, long offset, int count)
    {
        using var values = new FlatVector(20);
        var update = new Update(Layout(0, 10, 10), values);
        Assert.Throws<ArgumentOutOfRangeException>(() => _ = update.Vector(section, offset, count).Length);
    }

    private static UpdateLayout Layout(int before, int model, int after) => new(
    [
        .. before > 0 ? [new Section("before", SectionRole.Control, before)] : Array.Empty<Section>(),
        new Section(Section.Model, SectionRole.Model, model, Weighting.Scalar),
        .. after > 0 ? [new Section("after", SectionRole.Control, after)] : Array.Empty<Section>(),
        Weight,
    ]);

    private static float[] ReadAll(Update update)
    {
        var values = new List<float>();
        while (values.Count < update.Layout.VectorLength) values.AddRange(update.ReadBlock(values.Count));
        return [.. values];
    }

    private static FlatVector Random(long length, long seed)
    {
        var vector = new FlatVector(length);
        RandomStream random = Statistics.Stream("values", seed);
        foreach (ref float value in vector.AsSpan()) value = (float)random.NextNormal();
        return vector;
    }
}
