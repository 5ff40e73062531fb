using System.ComponentModel.DataAnnotations;
using System.Text;
using FedCore.Models;
using FedCore.Numerics;
using FedCore.Rounds;

namespace FedCore.Training.Data;

/// <summary>
/// Synthetic(alpha, beta) of the FedProx paper (Li et al. 2020, appendix C.1): each client has a softmax regression of its own, W and b around
/// u ~ N(0, alpha), on features around v, v ~ N(B, 1), B ~ N(0, beta), with variance j^-1.2 in dimension j. Alpha says how much the clients' models
/// differ, beta how much their data do. As in the authors' program alpha and beta are standard deviations, and sizes are log-normal(4, 2) + 50.
/// </summary>
public sealed class SyntheticClients : IClientGenerator
{
    /// <summary>How much the clients' models differ, 0 or more.</summary>
    [Range(0, 1e6)]
    public double Alpha { get; init; } = 1;

    /// <summary>How much the clients' data differ, 0 or more.</summary>
    [Range(0, 1e6)]
    public double Beta { get; init; } = 1;

    /// <summary>Number of clients.</summary>
    [Range(1, 1_000_000_000)]
    public long Clients { get; init; } = 30;

    long? IClientGenerator.ClientCount => Clients;

    /// <summary>Examples of each client; null for the paper's log-normal sizes.</summary>
    [Range(2, 1_000_000)]
    public int? Examples { get; init; }

    /// <summary>The share that each client holds back for evaluation.</summary>
    [Range(0, 0.9)]
    public double TestFraction { get; init; } = 0.1;

    /// <summary>The draw: the same seed gives the same clients, whatever the run.</summary>
    public long Seed { get; init; }

    /// <inheritdoc/>
    public IFederatedData Create(RunPlan run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (run.Model.Input.Rank != 1 || run.Model.Vocabulary > 0 || run.Model.Label is not { Width: 1, Classes: >= 2 })
        {
            throw FedCoreException.Configuration(
                "data.synthetic", $"simulation.clients: synthetic clients have vectors of any numbers and a class each, but the model takes {run.Model.Input}{(run.Model.Vocabulary > 0 ? " tokens" : "")}. Use a model with input [60] and softmaxCrossEntropy over 10 outputs.");
        }

        int features = run.Model.Input[0], classes = run.Model.Label.Classes;
        if ((long)features * classes > Array.MaxLength)
        {
            throw FedCoreException.Configuration(
                "data.synthetic", $"simulation.clients: a client's own model of {features} features and {classes} classes has {(long)features * classes} weights; "
                + $"at most {Array.MaxLength} are supported. Make model.input or the number of classes smaller.");
        }

        if (Examples is { } examples) RequireRoom(examples, features);
        return new Generated(this, run.Model.Input, classes);
    }

    private static void RequireRoom(int examples, int features)
    {
        if ((long)examples * features > Array.MaxLength)
        {
            throw FedCoreException.Configuration(
                "data.synthetic", $"simulation.clients: {examples} examples of {features} features are {(long)examples * features} numbers for one client; "
                + $"at most {Array.MaxLength} are supported. Make simulation.clients.examples or model.input smaller.");
        }
    }

    private sealed class Generated(SyntheticClients spec, Shape input, int classes) : IFederatedData
    {
        // Keyed by the draw alone, so that two strategies meet the same clients.
        private readonly RandomKeys _keys = new(Encoding.UTF8.GetBytes($"synthetic({spec.Alpha:R},{spec.Beta:R})"), spec.Seed);

        // The largest client of the authors' 30 has some thousands; the tail of a log-normal has no end.
        private const int MaxExamples = 200_000;

        public long ClientCount => spec.Clients;

        public string NameOf(long index) => ClientNames.Of(index);

        public int TrainCountOf(long index) => Split(SizeOf(index)).Train;

        public ClientData Get(long index)
        {
            int count = SizeOf(index), features = input[0];
            RequireRoom(count, features);
            RandomStream random = _keys.Stream("client", index);
            double u = spec.Alpha * random.NextNormal(), b = spec.Beta * random.NextNormal();
            double[] mean = new double[features], weights = new double[features * classes], bias = new double[classes], deviation = new double[features];
            for (int j = 0; j < features; j++)
            {
                mean[j] = b + random.NextNormal();
                deviation[j] = Math.Pow(j + 1, -0.6);
            }

            for (int i = 0; i < weights.Length; i++) weights[i] = u + random.NextNormal();
            for (int c = 0; c < classes; c++) bias[c] = u + random.NextNormal();

            float[] x = new float[count * features], y = new float[count];
            double[] logits = new double[classes];
            for (int i = 0; i < count; i++)
            {
                bias.CopyTo(logits, 0);
                for (int j = 0; j < features; j++)
                {
                    double value = mean[j] + deviation[j] * random.NextNormal();
                    x[i * features + j] = (float)value;
                    for (int c = 0; c < classes; c++) logits[c] += value * weights[j * classes + c];
                }

                y[i] = Array.IndexOf(logits, logits.Max());
            }

            var set = new InMemoryExamples(input, x, y);
            int[] rows = [.. Enumerable.Range(0, count)];
            int train = Split(count).Train;
            return new ClientData(new ExampleView(set, rows.AsMemory(0, train)), new ExampleView(set, rows.AsMemory(train)));
        }

        private int SizeOf(long index) => spec.Examples
            ?? 50 + (int)Math.Min(MaxExamples, Math.Exp(4 + 2 * _keys.Stream("size", index).NextNormal()));

        private (int Train, int Test) Split(int count)
        {
            int train = Math.Clamp((int)Math.Floor(count * (1 - spec.TestFraction)), 1, count);
            return (train, count - train);
        }
    }
}
