using FedCore.Models;
using FedCore.Training.Data;

namespace FedCore.Training.Tests.Data;

public class ExampleSetTests
{
    public static TheoryData<string> Kinds => ["class numbers", "three numbers", "images", "own"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Labels_are_copied_row_by_row(string kind)
    {
        ExampleSet set = Set(kind);
        int[] rows = [3, 0, 3];
        float[] target = new float[rows.Length * set.LabelWidth + 1];
        target[^1] = -7;
        set.CopyLabels(rows, target);
        Assert.Equal([.. rows.SelectMany(row => set.Label(row).ToArray()), -7], target);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_prefetch_of_any_rows_changes_nothing(string kind)
    {
        ExampleSet set = Set(kind);
        float[] before = new float[4 * 2], after = new float[4 * 2];
        set.CopyFeatures([0, 1, 2, 3], before);
        set.Prefetch([3, 0, 3]);
        set.Prefetch([]);
        set.CopyFeatures([0, 1, 2, 3], after);
        Assert.Equal(before, after);
    }

    private static ExampleSet Set(string kind)
    {
        float[] features = [1, 2, 3, 4, 5, 6, 7, 8];
        return kind switch
        {
            "class numbers" => new InMemoryExamples(new Shape(2), features, [9, 8, 7, 6]),
            "three numbers" => new InMemoryExamples(new Shape(2), features, [.. Enumerable.Range(0, 12)], labelWidth: 3),
            "images" => new ByteImages(new Shape(2), [1, 2, 3, 4, 5, 6, 7, 8], [9, 8, 7, 6]),
            _ => new Own(),
        };
    }

    // What a user writes who knows only what must be there.
    private sealed class Own() : ExampleSet(new Shape(2), 2, 4)
    {
        private readonly float[] _labels = [10, 11, 20, 21, 30, 31, 40, 41];

        public override void CopyFeatures(ReadOnlySpan<int> rows, Span<float> target)
        {
            for (int i = 0; i < rows.Length; i++) target.Slice(2 * i, 2).Fill(rows[i]);
        }

        public override ReadOnlySpan<float> Label(int row) => _labels.AsSpan(2 * row, 2);
    }
}
