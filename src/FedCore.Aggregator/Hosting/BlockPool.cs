using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Connections;

namespace FedCore.Aggregator.Hosting;

/// <summary>
/// The memory that goes between Kestrel's sockets and the calls, in blocks of 64 KiB. Kestrel's own have a sixteenth of that, so that an update of a few megabytes
/// takes sixteen times as many reads from its socket. Safe for many threads.
/// </summary>
internal sealed class BlockPool : MemoryPool<byte>, IMemoryPoolFactory<byte>
{
    private const int BlockBytes = 64 << 10;

    private static readonly TimeSpan TrimEvery = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly Stack<Block> _free = [];
    private readonly ITimer _trims;
    private int _unused;

    public BlockPool(TimeProvider clock) => _trims = clock.CreateTimer(_ => Trim(), null, TrimEvery, TrimEvery);

    public override int MaxBufferSize => BlockBytes;

    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => this;

    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, BlockBytes);
        lock (_lock)
        {
            if (_free.TryPop(out Block? free))
            {
                _unused = Math.Min(_unused, _free.Count);
                return free;
            }
        }

        return new Block(this);
    }

    // Those who still hold blocks may give them back.
    protected override void Dispose(bool disposing) => _trims.Dispose();

    /// <summary>Gives back what nobody has used since the last time. It happens by itself, too.</summary>
    public void Trim()
    {
        lock (_lock)
        {
            for (int i = 0; i < _unused; i++) _free.Pop();
            _unused = _free.Count;
        }
    }

    private void Return(Block block)
    {
        lock (_lock) _free.Push(block);
    }

    private sealed class Block(BlockPool pool) : IMemoryOwner<byte>
    {
        public Memory<byte> Memory { get; } = MemoryMarshal.CreateFromPinnedArray(GC.AllocateUninitializedArray<byte>(BlockBytes, pinned: true), 0, BlockBytes);

        public void Dispose() => pool.Return(this);
    }
}
