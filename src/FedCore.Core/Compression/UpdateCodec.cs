using System.Collections.Concurrent;
using FedCore.Compression.Formats;
using FedCore.Compression.Sparsifiers;
using FedCore.Numerics;
using FedCore.Strategies;
using FedCore.Updates;

namespace FedCore.Compression;

/// <summary>
/// A run's transforms, put together: how updates become bytes and bytes updates again. The bytes are the scalar sections, then each vector section: its places, where they
/// are the client's own choice, and its values, in blocks of 4,096.
/// </summary>
public sealed class UpdateCodec
{
    // Shared places of the last rounds; those of an older one, as buffered runs may need them, are drawn again.
    private const int KeptPlaces = 4;

    private readonly RandomKeys _keys;
    private readonly ConcurrentDictionary<(int Round, string Section), long[]> _shared = new();
    private static readonly Float32 Plain = new();

    /// <summary>A codec.</summary>
    /// <param name="layout">The sections of an update.</param>
    /// <param name="transforms">The transforms: none, a sparsifier, a format, or both in this order.</param>
    /// <param name="keys">Where shared places come from.</param>
    internal UpdateCodec(UpdateLayout layout, IReadOnlyList<IUpdateTransform> transforms, RandomKeys keys)
    {
        (Layout, _keys) = (layout, keys);
        Sparsifier = transforms.OfType<ISparsifier>().SingleOrDefault();
        Format = transforms.OfType<IValueFormat>().SingleOrDefault() ?? Plain;
        KeepsClientState = transforms.Any(transform => transform.KeepsClientState);
        ByteLength = layout.ScalarCount * (long)sizeof(double) + layout.Sections.Where(section => section.IsVector).Sum(LengthOf);
        MaxByteLength = layout.ScalarCount * (long)sizeof(double) + layout.Sections.Where(section => section.IsVector).Sum(MaxLengthOf);
    }

    /// <summary>The sections of an update.</summary>
    public UpdateLayout Layout { get; }

    /// <summary>Whether clients keep vectors from round to round.</summary>
    public bool KeepsClientState { get; }

    /// <summary>Bytes that an update takes; where clients send places, what they take if they are spread evenly at random.</summary>
    public long ByteLength { get; }

    /// <summary>Bytes that an update takes at most.</summary>
    public long MaxByteLength { get; }

    private ISparsifier? Sparsifier { get; }

    private IValueFormat Format { get; }

    /// <summary>What writes updates down, for one at a time.</summary>
    /// <returns>A new encoder.</returns>
    public UpdateEncoder CreateEncoder() => new(this);

    /// <summary>Reads an update from bytes.</summary>
    /// <param name="bytes">The bytes, which must stay what they are while the reader is used; with the reader they are disposed of.</param>
    /// <param name="round">The round that the update belongs to.</param>
    /// <returns>The reader.</returns>
    /// <exception cref="UpdateRefusedException">The bytes are not an update of this layout (<c>update.encoding</c>); where that is seen later, the reader says so.</exception>
    public IUpdateReader Open(IEncodedUpdate bytes, int round)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        try
        {
            return new UpdateDecoder(this, bytes, round);
        }
        catch
        {
            bytes.Dispose();
            throw;
        }
    }

    /// <inheritdoc cref="Open(IEncodedUpdate, int)"/>
    public IUpdateReader Open(ReadOnlyMemory<byte> bytes, int round) => Open(new EncodedInMemory(bytes), round);

    /// <summary>Refuses bytes that are not an update: what passes is read without a fault.</summary>
    /// <param name="bytes">The bytes, from anybody.</param>
    /// <param name="round">The round that the update belongs to.</param>
    /// <exception cref="UpdateRefusedException">They are not of this layout (<c>update.encoding</c>), a number is not finite, or the weight is below 0 (<c>update.weight</c>).</exception>
    public void Check(ReadOnlyMemory<byte> bytes, int round) => Check(new EncodedInMemory(bytes), round);

    /// <inheritdoc cref="Check(ReadOnlyMemory{byte}, int)"/>
    public void Check(IEncodedUpdate bytes, int round)
    {
        using UpdateCheck check = BeginCheck(bytes, round);
        check.Advance(bytes.Length);
    }

    /// <summary>Begins to check bytes of which not all are there yet.</summary>
    /// <param name="bytes">The bytes, from anybody; with the check they are disposed of.</param>
    /// <param name="round">The round that the update belongs to.</param>
    /// <param name="weighting">How the client was told to weigh its update; null where every weight from 0 on is one.</param>
    /// <returns>The check.</returns>
    public UpdateCheck BeginCheck(IEncodedUpdate bytes, int round, ClientWeighting? weighting = null) => new(this, bytes, round, weighting);

    /// <summary>What chooses numbers of a section: of the model's change; vectors beside it arrive whole.</summary>
    internal ISparsifier? SparsifierOf(Section section) => section.Role == SectionRole.Model ? Sparsifier : null;

    /// <summary>How numbers of a section are written down: those beside the model's change as they are, since clients and server reckon with the same ones.</summary>
    internal IValueFormat FormatOf(Section section) => section.Role == SectionRole.Model ? Format : Plain;

    /// <summary>The places of a section that all clients of a round send.</summary>
    internal ReadOnlySpan<long> SharedPlaces(Section section, int round)
    {
        if (_shared.TryGetValue((round, section.Name), out long[]? places)) return places;
        places = new long[Sparsifier!.CountOf(section.Length)];
        Sparsifier.Choose(null, section.Length, _keys.Stream("places " + section.Name, round), places);
        foreach ((int, string) old in _shared.Keys.OrderDescending().Skip(KeptPlaces - 1)) _shared.TryRemove(old, out _);
        return _shared.GetOrAdd((round, section.Name), places);
    }

    /// <summary>How many numbers of a section are sent.</summary>
    internal long CountOf(Section section) => SparsifierOf(section)?.CountOf(section.Length) ?? section.Length;

    private long ValueBytesOf(Section section)
    {
        long bytes = 0;
        foreach ((_, int block) in VectorBlocks.Of(CountOf(section))) bytes += FormatOf(section).ByteLength(block);
        return bytes;
    }

    private long MaxLengthOf(Section section)
    {
        int gapBytes = 0;
        if (SparsifierOf(section) is { IsShared: false })
            for (long longest = section.Length; longest > 0; longest >>= 7) gapBytes++;
        return ValueBytesOf(section) + gapBytes * CountOf(section);
    }

    private long LengthOf(Section section)
    {
        long count = CountOf(section), bytes = ValueBytesOf(section);
        if (SparsifierOf(section) is not { IsShared: false }) return bytes;

        // A gap takes a byte for every seven bits; gaps of at least m are a share (1 - k/n)^m of all.
        double missed = 1 - count / (double)section.Length;
        return bytes + (long)(count * (1 + Math.Pow(missed, 1 << 7) + Math.Pow(missed, 1 << 14) + Math.Pow(missed, 1 << 21)));
    }
}
