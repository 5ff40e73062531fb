using FedCore.Numerics;

namespace FedCore.Core.Tests.Numerics;

public class FlatVectorTests
{
    public static TheoryData<long, int> Outside => new()
    {
        { -1, 1 }, { 0, 11 }, { 10, 1 }, { 11, 0 }, { 5, -1 }, { long.MaxValue, 1 }, { long.MinValue, 1 }, { 1, int.MaxValue },
    };

    [Fact]
    public void A_new_vector_holds_zeros()
    {
        using var vector = new FlatVector(1000);
        Assert.Equal(new float[1000], vector.AsSpan().ToArray());
    }

    [Fact]
    public unsafe void Memory_begins_at_a_multiple_of_64_bytes()
    {
        using var vector = new FlatVector(3);
        Assert.Equal(0, (long)vector.Pointer % 64);
    }

    [Fact]
    public unsafe void Sixty_four_bytes_behind_the_last_element_are_readable_zeros()
    {
        using var vector = new FlatVector(5);
        Assert.Equal(new float[16], new ReadOnlySpan<float>(vector.Pointer + 5, 16).ToArray());
    }

    [Theory]
    [MemberData(nameof(Outside))]
    public void A_view_outside_the_vector_is_refused(long offset, int count)
    {
        using var vector = new FlatVector(10);
        Assert.Throws<ArgumentOutOfRangeException>(() => _ = vector.Slice(offset, count).Length);
    }

    [Fact]
    public void Views_of_one_place_share_it()
    {
        using var vector = new FlatVector(10);
        vector.Slice(3, 4)[1] = 7;
        Assert.Equal(7, vector.Slice(4, 6)[0]);
    }

    [Fact]
    public void An_empty_view_may_stand_at_the_end()
    {
        using var vector = new FlatVector(10);
        Assert.True(vector.Slice(10, 0).IsEmpty);
    }

    [Fact]
    public void A_negative_length_is_refused() => Assert.Throws<ArgumentOutOfRangeException>(() => new FlatVector(-1));

    [Fact]
    public void A_length_that_no_memory_has_is_refused() => Assert.ThrowsAny<Exception>(() => new FlatVector(long.MaxValue));

    [Fact]
    public void Copying_from_a_vector_of_another_length_is_refused()
    {
        using FlatVector target = new(4), source = new(5);
        Assert.Throws<ArgumentOutOfRangeException>(() => target.CopyFrom(source));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(5)]
    public void Copying_more_than_there_is_or_less_than_nothing_is_refused(long count)
    {
        using FlatVector target = new(4), source = new(9);
        Assert.Throws<ArgumentOutOfRangeException>(() => target.CopyFrom(source, count));
    }

    [Fact]
    public void Copying_a_beginning_leaves_the_rest()
    {
        using FlatVector target = Of(1, 2, 3), source = Of(7, 8, 9, 10);
        target.CopyFrom(source, 2);
        Assert.Equal([7, 8, 3], target.AsSpan().ToArray());
    }

    [Fact]
    public void A_clone_has_memory_of_its_own()
    {
        using FlatVector vector = Of(1, 2, 3), clone = vector.Clone();
        vector.AsSpan()[0] = 9;
        Assert.Equal([1, 2, 3], clone.AsSpan().ToArray());
    }

    [Fact]
    public void Clear_sets_every_element_to_zero()
    {
        using FlatVector vector = Of(1, 2, 3);
        vector.Clear();
        Assert.Equal(new float[3], vector.AsSpan().ToArray());
    }

    [Fact]
    public void A_disposed_vector_gives_no_view()
    {
        FlatVector vector = Of(1, 2, 3);
        vector.Dispose();
        Assert.Throws<ObjectDisposedException>(() => _ = vector.Slice(0, 1).Length);
    }

    [Fact]
    public void Disposing_twice_frees_once()
    {
        FlatVector vector = Of(1);
        vector.Dispose();
        Assert.Null(Record.Exception(vector.Dispose));
    }

    [Fact]
    public void A_pool_hands_a_returned_vector_out_again()
    {
        using var pool = new FlatVectorPool();
        FlatVector first = pool.Rent(10);
        pool.Return(first);
        Assert.Same(first, pool.Rent(10));
    }

    [Fact]
    public void A_pool_never_hands_out_a_vector_of_another_length()
    {
        using var pool = new FlatVectorPool();
        pool.Return(pool.Rent(10));
        Assert.Equal(11, pool.Rent(11).Length);
    }

    [Fact]
    public void A_vector_is_rented_by_one_at_a_time()
    {
        using var pool = new FlatVectorPool();
        pool.Return(pool.Rent(10));
        Assert.NotSame(pool.Rent(10), pool.Rent(10));
    }

    [Fact]
    public void A_disposed_pool_frees_what_was_returned()
    {
        var pool = new FlatVectorPool();
        FlatVector vector = pool.Rent(10);
        pool.Return(vector);
        pool.Dispose();
        Assert.Throws<ObjectDisposedException>(() => _ = vector.AsSpan().Length);
    }

    private static FlatVector Of(params float[] values)
    {
        var vector = new FlatVector(values.Length);
        values.CopyTo(vector.AsSpan());
        return vector;
    }
}
