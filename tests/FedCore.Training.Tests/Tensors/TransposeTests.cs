using FedCore.Numerics;
using FedCore.Training.Tensors;

namespace FedCore.Training.Tests.Tensors;

/// <summary>
/// target[c, r] = source[r, c]; beyond that only what is documented may be written: up to 3 more rows of the target where the columns are no multiple
/// of 4, and up to 3 more of its columns where there is room.
/// </summary>
public unsafe class TransposeTests
{
    private const int Guard = 64;
    private const float Untouched = -12345;

    public static TheoryData<int> Gaps => [0, 1, 3, 4, 7];

    [Theory]
    [MemberData(nameof(Gaps))]
    public void Every_shape_is_transposed_and_nothing_undeclared_is_written(int gap)
    {
        for (int rows = 1; rows <= 21; rows++)
        {
            for (int columns = 1; columns <= 21; columns++)
            {
                Check(rows, columns, columns + gap, targetPitch: rows + gap, room: rows);
                Check(rows, columns, columns + gap, targetPitch: rows + gap, room: rows + gap);
            }
        }

        Check(33, 50, sourcePitch: 50 + gap, targetPitch: 33 + gap, room: 33);
    }

    private static void Check(int rows, int columns, int sourcePitch, int targetPitch, int room)
    {
        RandomStream random = Draw.Stream("transpose", rows * 100 + columns);
        using FlatVector source = new((rows + 3) * sourcePitch + 3), target = new(Guard + (columns + 3) * targetPitch + Guard);
        Draw.Uniform(random, (int)source.Length).CopyTo(source.AsSpan());
        target.AsSpan().Fill(Untouched);
        Transpose.Run(source.Pointer, sourcePitch, rows, columns, target.Pointer + Guard, targetPitch, room);

        bool[] allowed = new bool[target.Length];
        int wholeColumns = (columns + 3) / 4 * 4, wholeRows = room >= (rows + 3) / 4 * 4 ? (rows + 3) / 4 * 4 : rows;
        for (int c = 0; c < wholeColumns; c++)
            for (int r = 0; r < wholeRows; r++) allowed[Guard + c * targetPitch + r] = true;
        for (int c = 0; c < columns; c++)
            for (int r = 0; r < rows; r++) Assert.Equal(source.AsSpan()[r * sourcePitch + c], target.AsSpan()[Guard + c * targetPitch + r]);
        for (int i = 0; i < allowed.Length; i++)
            if (!allowed[i]) Assert.True(target.AsSpan()[i] == Untouched, $"{rows} x {columns}: element {i - Guard} was written");
    }
}
