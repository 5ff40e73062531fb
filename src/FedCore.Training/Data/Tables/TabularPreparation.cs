using FedCore.Rounds;

namespace FedCore.Training.Data.Tables;

/// <summary>
/// A client fills in missing values by its own means and scales its features by its own means and deviations. Both come from its training examples
/// alone, so that its test examples stay unseen, and nothing leaves the client.
/// </summary>
internal sealed class TabularPreparation(DataContract contract, string key, bool isPrivate) : IClientPreparation
{
    public ClientData Prepare(ClientData data, string client)
    {
        ExampleSet set = data.Train.Set;
        int width = set.FeatureLength;
        float[] train = Read(data.Train), test = Read(data.Test);
        for (int column = 0; column < width; column++)
        {
            (double mean, double deviation) = Moments(train, width, column, client);
            double center = contract.Standardize ? mean : 0, scale = contract.Standardize && deviation > 0 ? 1 / deviation : 1;
            Apply(train, width, column, mean, center, scale);
            Apply(test, width, column, mean, center, scale);
        }

        return data with { Train = View(set, train, data.Train), Test = View(set, test, data.Test) };
    }

    // The deviation is the sample's: divided by n - 1.
    private (double Mean, double Deviation) Moments(float[] values, int width, int column, string client)
    {
        double sum = 0, squares = 0;
        int count = 0;
        for (int i = column; i < values.Length; i += width)
        {
            if (float.IsNaN(values[i])) continue;
            sum += values[i];
            count++;
        }

        if (count == 0)
        {
            // Whether there is any is not for the run to know where it promises privacy.
            if (isPrivate) return (0, 0);
            throw FedCoreException.Configuration(
                "data.source", $"{key}: client '{Shown.Of(client)}' has no value at all in feature column {column}, so there is no mean to fill in. "
                + "Set the run's data.missing to zero or dropExample, or leave the feature out.");
        }

        double mean = sum / count;
        for (int i = column; i < values.Length; i += width)
            if (!float.IsNaN(values[i])) squares += (values[i] - mean) * (values[i] - mean);
        return (mean, count > 1 ? Math.Sqrt(squares / (count - 1)) : 0);
    }

    private static void Apply(float[] values, int width, int column, double mean, double center, double scale)
    {
        for (int i = column; i < values.Length; i += width)
            values[i] = (float)(((float.IsNaN(values[i]) ? mean : values[i]) - center) * scale);
    }

    private static float[] Read(ExampleView view)
    {
        float[] values = new float[view.Count * view.Set.FeatureLength];
        view.Set.CopyFeatures(view.Rows.Span, values);
        return values;
    }

    private static ExampleView View(ExampleSet set, float[] features, ExampleView original)
    {
        float[] labels = new float[original.Count * set.LabelWidth];
        set.CopyLabels(original.Rows.Span, labels);
        return ExampleView.All(new InMemoryExamples(set.Features, features, labels, set.LabelWidth));
    }
}
