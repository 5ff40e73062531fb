using FedCore.Numerics;

namespace FedCore.Training.Tests.Tensors;

/// <summary>Rows with a gap between them, a guard value in every gap and before and behind it all, so that a stray write is seen.</summary>
internal sealed unsafe class GuardedBuffer : IDisposable
{
    private const int Margin = 64;
    private static readonly float Guard = BitConverter.Int32BitsToSingle(unchecked((int)0xFFC0_BEEF));

    private readonly FlatVector _memory;
    private readonly int _rows, _columns, _pitch, _start;

    /// <summary>Rows that begin so many floats behind a boundary of 64 bytes.</summary>
    public GuardedBuffer(int rows, int columns, int pitch, int offset = 0)
    {
        (_rows, _columns, _pitch, _start) = (rows, columns, pitch, Margin + offset);
        _memory = new FlatVector((long)rows * pitch + offset + 2 * Margin);
        Clear();
    }

    public GuardedBuffer(float[] values)
        : this(1, values.Length, values.Length) => values.CopyTo(_memory.Slice(_start, values.Length));

    public float* Pointer => _memory.Pointer + _start;

    public void Clear() => _memory.AsSpan().Fill(Guard);

    public void Fill(float[] values)
    {
        for (int row = 0; row < _rows; row++) values.AsSpan(row * _columns, _columns).CopyTo(Row(row));
    }

    /// <summary>Every row has these bits, and everything else the guard's.</summary>
    public void AssertHolds(float[] expected, string what)
    {
        for (int row = 0; row < _rows; row++)
        {
            if (!Bits(Row(row)).SequenceEqual(Bits(expected.AsSpan(row * _columns, _columns))))
                Assert.Fail($"{what}: row {row} is [{string.Join(" ", Row(row).ToArray())}] instead of [{string.Join(" ", expected[(row * _columns)..((row + 1) * _columns)])}]");
            Row(row).Fill(Guard);
        }

        int written = Bits(_memory.AsSpan()).IndexOfAnyExcept(BitConverter.SingleToInt32Bits(Guard));
        if (written >= 0) Assert.Fail($"{what}: element {written - _start} behind the first was written, in rows of {_columns} with pitch {_pitch}");
    }

    public void Dispose() => _memory.Dispose();

    private Span<float> Row(int row) => _memory.Slice(_start + (long)row * _pitch, _columns);

    private static ReadOnlySpan<int> Bits(ReadOnlySpan<float> values) => System.Runtime.InteropServices.MemoryMarshal.Cast<float, int>(values);
}
