using System.Buffers;
using System.Buffers.Binary;
using System.Numerics.Tensors;
using FedCore.Compression.Formats;
using FedCore.Compression.Sparsifiers;
using FedCore.Numerics;
using FedCore.Strategies;
using FedCore.Updates;

namespace FedCore.Compression;

/// <summary>Writes updates down by a codec. It keeps its memory from one to the next, and is for one thread.</summary>
public sealed class UpdateEncoder : IDisposable
{
    private const int MaxGapBytes = 10;

    private readonly UpdateCodec _codec;
    private readonly float[] _block = new float[VectorBlocks.BlockLength], _decoded = new float[VectorBlocks.BlockLength];
    private FlatVector? _values;
    private long[] _places = [];

    internal UpdateEncoder(UpdateCodec codec) => _codec = codec;

    /// <summary>Writes an update down.</summary>
    /// <param name="update">A completed update of the codec's layout, which is read once.</param>
    /// <param name="state">What the client keeps from round to round.</param>
    /// <param name="round">The round that the update belongs to.</param>
    /// <param name="random">Random numbers for what rounds at random.</param>
    /// <param name="target">Receives the bytes.</param>
    public void Encode(Update update, IClientState state, int round, RandomStream random, IBufferWriter<byte> target)
    {
        ArgumentNullException.ThrowIfNull(update);
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(target);
        var lanes = new LaneRandom(random);
        foreach (double scalar in update.Scalars)
        {
            BinaryPrimitives.WriteDoubleLittleEndian(target.GetSpan(sizeof(double)), scalar);
            target.Advance(sizeof(double));
        }

        long start = 0;
        foreach (Section section in _codec.Layout.Sections.Where(section => section.IsVector))
        {
            if (_codec.SparsifierOf(section) is { } sparsifier) EncodeSome(update, section, start, sparsifier, state, round, ref lanes, target);
            else EncodeAll(update, section, start, ref lanes, target);
            start += section.Length;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _values?.Dispose();

    private void EncodeAll(Update update, Section section, long start, ref LaneRandom random, IBufferWriter<byte> target)
    {
        foreach ((long offset, int count) in VectorBlocks.Of(section.Length))
        {
            Read(update, start + offset, _block.AsSpan(0, count));
            EncodeBlock(_codec.FormatOf(section), count, ref random, target);
        }
    }

    private void EncodeSome(
        Update update, Section section, long start, ISparsifier sparsifier, IClientState state, int round, ref LaneRandom random, IBufferWriter<byte> target)
    {
        FlatVector? left = sparsifier.KeepsClientState ? state.Vector("unsent-" + section.Name, section.Length) : null;
        if (_values is null || _values.Length < section.Length)
        {
            _values?.Dispose();
            _values = new FlatVector(section.Length);
        }

        foreach ((long offset, int count) in VectorBlocks.Of(section.Length))
        {
            Span<float> values = _values.Slice(offset, count);
            Read(update, start + offset, values);
            if (left is null) continue;
            TensorPrimitives.Add(values, left.Slice(offset, count), values);
            values.CopyTo(left.Slice(offset, count));
        }

        ReadOnlySpan<long> places = sparsifier.IsShared ? _codec.SharedPlaces(section, round) : Choose(sparsifier, section.Length, target);
        foreach ((long first, int count) in VectorBlocks.Of(places.Length))
        {
            ReadOnlySpan<long> some = places.Slice((int)first, count);
            for (int i = 0; i < count; i++) _block[i] = _values.Slice(some[i], 1)[0];
            if (sparsifier.Scale != 1) TensorPrimitives.Multiply(_block.AsSpan(0, count), sparsifier.Scale, _block.AsSpan(0, count));
            EncodeBlock(_codec.FormatOf(section), count, ref random, target);

            // What stays at the client is what the server does not get: the places that were not chosen, and what the format rounds away.
            for (int i = 0; left is not null && i < count; i++) left.Slice(some[i], 1)[0] -= _decoded[i];
        }
    }

    private ReadOnlySpan<long> Choose(ISparsifier sparsifier, long length, IBufferWriter<byte> target)
    {
        int count = checked((int)sparsifier.CountOf(length));
        if (_places.Length < count) _places = new long[count];
        Span<long> places = _places.AsSpan(0, count);
        sparsifier.Choose(_values, length, null!, places);
        long next = 0;
        foreach (long place in places)
        {
            // The gap before it, seven bits at a time, the lowest first; a byte below 128 is the last.
            Span<byte> bytes = target.GetSpan(MaxGapBytes);
            int used = 0;
            long gap = place - next;
            for (; gap >= 128; gap >>= 7) bytes[used++] = (byte)(gap | 128);
            bytes[used++] = (byte)gap;
            target.Advance(used);
            next = place + 1;
        }

        return places;
    }

    private void EncodeBlock(IValueFormat format, int count, ref LaneRandom random, IBufferWriter<byte> target)
    {
        int length = format.ByteLength(count);
        Span<byte> bytes = target.GetSpan(length)[..length];
        format.Encode(_block.AsSpan(0, count), bytes, ref random);
        if (_codec.KeepsClientState) format.Decode(bytes, _decoded.AsSpan(0, count));
        target.Advance(length);
    }

    private static void Read(Update update, long offset, Span<float> values)
    {
        while (!values.IsEmpty)
        {
            ReadOnlySpan<float> block = update.ReadBlock(offset);
            if (block.Length > values.Length) block = block[..values.Length];
            block.CopyTo(values);
            values = values[block.Length..];
            offset += block.Length;
        }
    }
}
