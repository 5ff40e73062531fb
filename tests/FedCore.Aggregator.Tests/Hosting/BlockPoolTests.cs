using System.Buffers;
using System.Runtime.InteropServices;
using FedCore.Aggregator.Hosting;
using FedCore.Tests;

namespace FedCore.Aggregator.Tests.Hosting;

public sealed class BlockPoolTests : IDisposable
{
    private readonly BlockPool _pool = new(new HandClock());

    public void Dispose() => _pool.Dispose();

    [Fact]
    public void A_block_that_was_given_back_is_used_again()
    {
        byte[] first = RentAndReturn();
        Assert.Same(first, RentAndReturn());
    }

    [Fact]
    public void Blocks_that_are_rented_at_once_are_different()
    {
        using IMemoryOwner<byte> one = _pool.Rent(), other = _pool.Rent();
        Assert.NotSame(ArrayOf(one), ArrayOf(other));
    }

    [Fact]
    public void Blocks_that_nobody_used_since_the_last_trim_are_given_back()
    {
        byte[] first = RentAndReturn();
        _pool.Trim();
        _pool.Trim();
        Assert.NotSame(first, RentAndReturn());
    }

    [Fact]
    public void A_block_that_was_used_since_the_last_trim_stays()
    {
        byte[] first = RentAndReturn();
        _pool.Trim();
        RentAndReturn();
        _pool.Trim();
        Assert.Same(first, RentAndReturn());
    }

    [Fact]
    public void A_block_has_at_least_what_was_asked_for()
    {
        using IMemoryOwner<byte> block = _pool.Rent(_pool.MaxBufferSize);
        Assert.Equal(_pool.MaxBufferSize, block.Memory.Length);
    }

    [Fact]
    public void More_than_a_block_is_refused() => Assert.Throws<ArgumentOutOfRangeException>(() => _pool.Rent(_pool.MaxBufferSize + 1));

    private byte[] RentAndReturn()
    {
        using IMemoryOwner<byte> block = _pool.Rent();
        return ArrayOf(block);
    }

    private static byte[] ArrayOf(IMemoryOwner<byte> block) =>
        MemoryMarshal.TryGetArray(block.Memory, out ArraySegment<byte> segment) ? segment.Array! : throw new InvalidOperationException("A block is no array.");
}
