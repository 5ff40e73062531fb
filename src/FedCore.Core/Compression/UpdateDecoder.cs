using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using FedCore.Compression.Formats;
using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Compression;

/// <summary>Reads an update from bytes, block by block. The bytes may be anybody's: whatever they are, no more is read or written than the layout has.</summary>
internal sealed class UpdateDecoder : IUpdateReader
{
    private readonly UpdateCodec _codec;
    private readonly int _round;
    private readonly double[] _scalars;
    private readonly IEncodedUpdate _bytes;
    private float[]? _block;
    private long _place;

    // The section that is being read: where it begins, and what is yet to be read of it.
    private int _section = -1;
    private long _start, _end, _next;

    // Of a sparse section: the places and values of a block of what was sent.
    private float[]? _values;
    private long[] _own = [];
    private int _first, _ready, _taken;

    public UpdateDecoder(UpdateCodec codec, IEncodedUpdate bytes, int round)
    {
        (_codec, _bytes, _round) = (codec, bytes, round);
        _scalars = new double[codec.Layout.ScalarCount];
        foreach (ref double scalar in _scalars.AsSpan()) scalar = BinaryPrimitives.ReadDoubleLittleEndian(Take(sizeof(double)));
        if (codec.Layout.VectorLength == 0 && Left > 0) throw TooLong();
    }

    public int Contributors => 1;

    public long? ByteLength => _bytes.Length;

    public ReadOnlySpan<double> Scalars => _scalars;

    /// <summary>Where the next block ends at the latest: of a section of which some numbers were sent, only the end of all bytes is known.</summary>
    public long NextEnd
    {
        get
        {
            (Section section, long left) = _next < _end ? (Section, _end - _next) : (_codec.Layout.Sections[Following], _codec.Layout.Sections[Following].Length);
            return _codec.SparsifierOf(section) is null ? _place + _codec.FormatOf(section).ByteLength((int)Math.Min(VectorBlocks.BlockLength, left)) : _bytes.Length;
        }
    }

    public ReadOnlySpan<float> Read(long offset)
    {
        if (offset != _next) throw new InvalidOperationException($"Element {_next} is the next to be read, not {offset}.");
        if (_next == _end) BeginSection();
        ReadOnlySpan<float> block = ReadBlock((int)Math.Min(VectorBlocks.BlockLength, _end - _next));
        _next += block.Length;
        if (_next == _codec.Layout.VectorLength && Left > 0) throw TooLong();
        return block;
    }

    public void Dispose()
    {
        if (_block is not null) ArrayPool<float>.Shared.Return(_block);
        _block = null;
        _bytes.Dispose();
    }

    private long Left => _bytes.Length - _place;

    private Section Section => _codec.Layout.Sections[_section];

    // The section of numbers behind the present one.
    private int Following
    {
        get
        {
            int next = _section + 1;
            while (!_codec.Layout.Sections[next].IsVector) next++;
            return next;
        }
    }

    private ReadOnlySpan<long> Places => _codec.SparsifierOf(Section)!.IsShared ? _codec.SharedPlaces(Section, _round) : _own;

    private void BeginSection()
    {
        _section = Following;
        (_start, _end) = (_end, _end + Section.Length);
        (_first, _ready, _taken) = (0, 0, 0);
        if (_codec.SparsifierOf(Section) is { IsShared: false } sparsifier) ReadPlaces(sparsifier.CountOf(Section.Length));
    }

    private void ReadPlaces(long count)
    {
        // Each place takes a byte at least: who claims many must have sent many.
        if (count > Left) throw TooShort();
        if (_own.Length != count) _own = new long[count];
        long next = 0, length = Section.Length;
        foreach (ref long place in _own.AsSpan())
        {
            long gap = 0;
            int shift = 0;
            for (byte part = 128; part >= 128; shift += 7)
            {
                part = Take(1)[0];
                if (shift > 56) throw Fault("has a gap between places that is larger than any model");
                gap |= (long)(part & 127) << shift;
            }

            if (gap >= length - next) throw Fault($"has a place behind the {length} elements of section '{Section.Name}'");
            place = next + gap;
            next = place + 1;
        }
    }

    // Numbers that were sent as they are need no copy.
    private ReadOnlySpan<float> ReadBlock(int count)
    {
        IValueFormat format = _codec.FormatOf(Section);
        bool isWhole = _codec.SparsifierOf(Section) is null;
        if (isWhole && format is Float32) return MemoryMarshal.Cast<byte, float>(Take(format.ByteLength(count)));
        Span<float> block = (_block ??= ArrayPool<float>.Shared.Rent(VectorBlocks.BlockLength)).AsSpan(0, count);
        if (isWhole) format.Decode(Take(format.ByteLength(count)), block);
        else ReadSome(block);
        return block;
    }

    // Zeros, and what was sent for places in the block.
    private void ReadSome(Span<float> block)
    {
        block.Clear();
        long begin = _next - _start, end = begin + block.Length;
        for (ReadOnlySpan<long> places = Places; ; _taken++)
        {
            if (_taken == _first + _ready)
            {
                if (_taken == places.Length) return;
                (_first, _ready) = (_taken, Math.Min(VectorBlocks.BlockLength, places.Length - _taken));
                _codec.FormatOf(Section).Decode(Take(_codec.FormatOf(Section).ByteLength(_ready)), (_values ??= new float[VectorBlocks.BlockLength]).AsSpan(0, _ready));
            }

            if (places[_taken] >= end) return;
            block[(int)(places[_taken] - begin)] = _values![_taken - _first];
        }
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > Left) throw TooShort();
        ReadOnlySpan<byte> taken = _bytes.Read(_place, count);
        _place += count;
        return taken;
    }

    private static UpdateRefusedException TooShort() => Fault("is shorter than its layout");

    private static UpdateRefusedException TooLong() => Fault("has bytes behind its end");

    private static UpdateRefusedException Fault(string what) => new("update.encoding", $"The encoded update {what}.");
}
