using FedCore.Training.Data;

namespace FedCore.Client.Tests.Data;

/// <summary>Examples as a test compares them.</summary>
internal static class Examples
{
    public static float[][] Features(this DataPool pool) => [.. All(ExampleView.All(pool.Train)).Chunk(pool.Train.FeatureLength)];

    public static float[] Labels(this DataPool pool) => [.. Enumerable.Range(0, pool.Train.Count).Select(row => pool.Train.Label(row)[0])];

    /// <summary>All features and labels of a client's examples, as bits.</summary>
    public static int[] Bits(this ClientData data) => [.. new[] { data.Train, data.Test }.SelectMany(view => All(view).Concat(LabelsOf(view))).Select(BitConverter.SingleToInt32Bits)];

    /// <summary>A fault with a code, whose message names everything that a person needs.</summary>
    public static void AssertFault(FedCoreException fault, FaultKind kind, string code, params string[] names)
    {
        Assert.Equal((kind, code), (fault.Kind, fault.Code));
        Assert.All(names, name => Assert.Contains(name, fault.Message, StringComparison.Ordinal));
    }

    private static float[] All(ExampleView view)
    {
        float[] features = new float[view.Count * view.Set.FeatureLength];
        view.Set.CopyFeatures(view.Rows.Span, features);
        return features;
    }

    private static float[] LabelsOf(ExampleView view)
    {
        float[] labels = new float[view.Count * view.Set.LabelWidth];
        view.Set.CopyLabels(view.Rows.Span, labels);
        return labels;
    }
}
