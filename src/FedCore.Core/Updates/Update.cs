using System.Numerics.Tensors;
using FedCore.Numerics;

namespace FedCore.Updates;

/// <summary>
/// One client's update while it is written: the sections of a layout over a buffer that the trainer rents. The model section lies at the buffer's
/// beginning, which may be the very memory that was trained in, so that it takes no memory of its own.
/// </summary>
public sealed class Update
{
    // Half a block: what it is formed from, itself and the sum that it goes to fit the first-level cache together.
    private const int ChangeBlockLength = VectorBlocks.BlockLength / 2;

    private readonly double[] _scalars;
    private readonly bool[] _weighted;
    private PendingChange? _change;
    private bool _isNothing;
    private long _read;
    private float[]? _block;

    /// <summary>An update over a given buffer.</summary>
    /// <param name="layout">The sections.</param>
    /// <param name="values">A buffer of at least <see cref="UpdateLayout.VectorLength"/> elements.</param>
    public Update(UpdateLayout layout, FlatVector values)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentNullException.ThrowIfNull(values);
        ArgumentOutOfRangeException.ThrowIfLessThan(values.Length, layout.VectorLength, nameof(values));
        Layout = layout;
        Values = values;
        _scalars = new double[layout.ScalarCount];
        _weighted = new bool[layout.Sections.Count];
    }

    /// <summary>The sections.</summary>
    public UpdateLayout Layout { get; }

    /// <summary>The buffer of the vector sections.</summary>
    public FlatVector Values { get; }

    /// <summary>The scalar sections' values.</summary>
    public ReadOnlySpan<double> Scalars => _scalars;

    /// <summary>The client's weight in the average.</summary>
    public double Weight
    {
        get => Scalar(Section.Weight);
        set => Scalar(Section.Weight) = value;
    }

    /// <summary>Whether everything that was written is finite.</summary>
    public bool IsFinite { get; private set; } = true;

    /// <summary>
    /// The model that <see cref="Values"/>, having been trained in, hold again: the one that the change was formed against. Each block is put back when it
    /// is read, while it is in the cache. Null until all were read, and where the model was trained elsewhere.
    /// </summary>
    public FlatVector? Restored => _change is { } change && ReferenceEquals(change.Local, Values) && _read == change.Length ? change.Global : null;

    /// <summary>Makes the update empty, for the next client.</summary>
    public void Reset()
    {
        Array.Clear(_scalars);
        Array.Clear(_weighted);
        _change = null;
        _isNothing = false;
        IsFinite = true;

        // The model section may be the memory that is trained in, so it keeps what is there.
        for (int i = 0; i < Layout.Sections.Count; i++)
        {
            Section section = Layout.Sections[i];
            if (!section.IsVector || section.Name == Section.Model) continue;
            for (long offset = 0; offset < section.Length; offset += VectorBlocks.BlockLength)
                Vector(section.Name, offset, (int)Math.Min(VectorBlocks.BlockLength, section.Length - offset)).Clear();
        }
    }

    /// <summary>One number of a scalar section.</summary>
    /// <param name="section">The section's name.</param>
    /// <param name="index">Which of its numbers.</param>
    /// <returns>A reference to it.</returns>
    public ref double Scalar(string section, int index = 0)
    {
        (Section found, long offset) = Layout.Find(section);
        if (found.IsVector || index < 0 || index >= found.Length)
            throw new ArgumentOutOfRangeException(nameof(index), index, $"Section '{section}' has no number {index}.");
        return ref _scalars[offset + index];
    }

    /// <summary>A view of a vector section, to be written; for the model section see <see cref="WriteModelChange"/>.</summary>
    /// <param name="section">The section's name.</param>
    /// <param name="offset">First element within the section.</param>
    /// <param name="count">Number of elements.</param>
    /// <returns>The view.</returns>
    public Span<float> Vector(string section, long offset, int count)
    {
        (Section found, long start) = Layout.Find(section);
        if (!found.IsVector || offset < 0 || offset > found.Length - count)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"Section '{section}' has no vector of {count} elements there.");
        return Values.Slice(start + offset, count);
    }

    /// <summary>
    /// Writes the model section: weight x scale x (local - global). <see cref="Weight"/> must be set before. The change is formed block by block when the
    /// update is read, while the block is in the cache; until then neither model may change.
    /// </summary>
    /// <param name="global">The model that the client received.</param>
    /// <param name="local">The model that it trained. Its memory may be the section's own; then reading puts the global model back into it.</param>
    /// <param name="scale">A factor beside the weight.</param>
    public void WriteModelChange(FlatVector global, FlatVector local, double scale = 1)
    {
        ArgumentNullException.ThrowIfNull(global);
        ArgumentNullException.ThrowIfNull(local);
        (Section section, long start) = Layout.Find(Section.Model);
        IsFinite &= VectorBlocks.IsFinite(local, section.Length);
        _change = new PendingChange(global, local, start, section.Length, (float)(Weight * scale));
        _read = 0;
        _weighted[IndexOf(section)] = true;
    }

    /// <summary>Ends the writing: sections that enter the sum with the client's weight, and were not yet multiplied by it, are.</summary>
    public void Complete()
    {
        for (int i = 0; i < Layout.Sections.Count; i++)
        {
            Section section = Layout.Sections[i];
            (_, long start) = Layout.Find(section.Name);
            bool isWeighted = section.Weighting == Weighting.Scalar && !_weighted[i];
            if (section.IsVector && (section.Name != Section.Model || _change is null))
            {
                for (long offset = 0; offset < section.Length; offset += VectorBlocks.BlockLength)
                {
                    Span<float> block = Values.Slice(start + offset, (int)Math.Min(VectorBlocks.BlockLength, section.Length - offset));
                    if (isWeighted) TensorPrimitives.Multiply(block, (float)Weight, block);
                    IsFinite &= VectorBlocks.IsFinite(block);
                }
            }
            else if (isWeighted && !section.IsVector)
            {
                foreach (ref double value in _scalars.AsSpan((int)start, (int)section.Length)) value *= Weight;
            }

            _weighted[i] = true;
        }

        foreach (double value in _scalars) IsFinite &= double.IsFinite(value);
    }

    /// <summary>Scales the change of the model down to a Euclidean norm, if it is longer. Behind <see cref="Complete"/>, and before anything was read.</summary>
    /// <param name="most">The largest norm, above 0.</param>
    /// <returns>Whether it was longer.</returns>
    public bool ClipModel(double most)
    {
        (Section section, long start) = Layout.Find(Section.Model);
        Span<double> lanes = stackalloc double[16];
        lanes.Clear();
        _block ??= new float[ChangeBlockLength];
        for (long offset = 0; offset < section.Length; offset += ChangeBlockLength)
        {
            Span<float> block = _block.AsSpan(0, (int)Math.Min(ChangeBlockLength, section.Length - offset));
            if (_change is { } change) VectorBlocks.ScaledDifference(change.Local.Slice(offset, block.Length), change.Global.Slice(offset, block.Length), change.Weight, block);
            else Values.Slice(start + offset, block.Length).CopyTo(block);
            VectorBlocks.AddSquares(block, lanes);
        }

        double norm = Math.Sqrt(VectorBlocks.Sum(lanes));
        IsFinite &= double.IsFinite(norm);
        if (!(norm > most) || !IsFinite) return false;
        float factor = (float)(most / norm);
        if (_change is { } found) _change = found with { Weight = found.Weight * factor };
        else
        {
            foreach ((long offset, int count) in VectorBlocks.Of(section.Length)) TensorPrimitives.Multiply(Values.Slice(start + offset, count), factor, Values.Slice(start + offset, count));
        }

        return true;
    }

    /// <summary>Makes a completed update that of a client that learned nothing, which weighs as much as before. Before anything was read.</summary>
    public void CountAsNothing()
    {
        double weight = Weight, unclipped = 0.5;
        _isNothing = true;
        for (int i = 0; i < Layout.Sections.Count; i++)
        {
            Section section = Layout.Sections[i];
            if (!section.IsVector || (section.Name == Section.Model && _change is not null)) continue;
            foreach ((long offset, int count) in VectorBlocks.Of(section.Length)) Vector(section.Name, offset, count).Clear();
        }

        Array.Clear(_scalars);
        Weight = double.IsFinite(weight) ? weight : 0;
        if (Layout.Has(Section.Unclipped)) Scalar(Section.Unclipped) = unclipped;
        IsFinite = true;
    }

    /// <summary>
    /// A block of the vector sections of a completed update. Blocks are read in order, each once: a model that was trained in the section's own memory is
    /// gone when its change was read.
    /// </summary>
    /// <param name="offset">Its first element.</param>
    /// <returns>At most <see cref="VectorBlocks.BlockLength"/> elements, valid until the next call.</returns>
    /// <exception cref="InvalidOperationException">Another block is the next of a model that was trained in the section's own memory.</exception>
    public ReadOnlySpan<float> ReadBlock(long offset)
    {
        long end = Math.Min(Layout.VectorLength, offset + VectorBlocks.BlockLength);
        if (_change is { } change)
        {
            if (offset >= change.Start && offset < change.Start + change.Length)
            {
                end = Math.Min(end, change.Start + change.Length);
                int count = (int)Math.Min(end - offset, ChangeBlockLength);
                long within = offset - change.Start;
                Span<float> block = (_block ??= new float[ChangeBlockLength]).AsSpan(0, count);
                Span<float> local = change.Local.Slice(within, count), global = change.Global.Slice(within, count);
                if (_isNothing) block.Clear();
                else VectorBlocks.ScaledDifference(local, global, change.Weight, block);
                if (ReferenceEquals(change.Local, Values))
                {
                    if (within != _read) throw new InvalidOperationException($"Element {_read} of the model's change is the next to be read, not {within}.");
                    global.CopyTo(local);
                    _read += count;
                }

                return block;
            }

            if (offset < change.Start) end = Math.Min(end, change.Start);
        }

        return Values.Slice(offset, (int)(end - offset));
    }

    private int IndexOf(Section section)
    {
        for (int i = 0; i < Layout.Sections.Count; i++)
            if (ReferenceEquals(Layout.Sections[i], section)) return i;
        throw new ArgumentException("Not a section of this layout.", nameof(section));
    }

    private readonly record struct PendingChange(FlatVector Global, FlatVector Local, long Start, long Length, float Weight);
}
