using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Privacy;
using FedCore.Rounds;
using FedCore.Rounds.Privacy;
using FedCore.Strategies;
using FedCore.Training.Data;

namespace FedCore.Training.Tests.Privacy.Audit;

/// <summary>
/// The data and the models of an attacker who may choose both (white box): examples of which each moves a parameter of its own, far beyond the clip, and each is there or not by the toss of a coin;
/// beside each of them one that is always there. The model is linear without a bias, and its loss the squared error, so that the gradient of an example is 2(wx - y)x.
/// </summary>
internal sealed class Canaries
{
    /// <summary>What an example's gradient is clipped to.</summary>
    public const double Clip = 1;

    /// <summary>Rounds of one step, each from a model that the attacker chose.</summary>
    public const int Rounds = 4;

    private const float Reach = 10, Companion = 0.5f, Weight = 0.3f;

    /// <param name="count">Canaries, and parameters.</param>
    /// <param name="coins">The coins.</param>
    public Canaries(int count, RandomStream coins)
    {
        Count = count;
        IsIn = [.. Enumerable.Range(0, count).Select(_ => coins.NextInt32(2) == 1)];
        float[] features = new float[2 * count * count], labels = new float[2 * count];
        for (int i = 0; i < count; i++)
        {
            // With weights of +-Weight the gradient of a canary is +-60, and of its companion -0.55 or -0.85.
            features[2 * i * count + i] = Companion;
            labels[2 * i] = Companion * Weight + 0.55f;
            if (IsIn[i]) features[(2 * i + 1) * count + i] = Reach;
        }

        var all = ExampleView.All(new InMemoryExamples(new Shape(count), features, labels, 1));
        Data = new ClientData(all, all);
    }

    public int Count { get; }

    /// <summary>Which of them are there.</summary>
    public bool[] IsIn { get; }

    /// <summary>The companion of each, and behind it the canary, or an example of zeros, whose gradient is zero.</summary>
    public ClientData Data { get; }

    /// <summary>A run of full batches, so that what is shown of a canary is a Gaussian with another mean and nothing more.</summary>
    public RunPlan Plan(double noise) => RunPlan.Create(
        new RunDefinition
        {
            Name = "audit",
            Model = new ModelSpec { Input = [Count], Layers = [new LinearSpec { Outputs = 1, Bias = false }], Loss = new MeanSquaredErrorSpec() },
            Strategy = new FedAvg(),
            Training = new TrainingPlan { LearningRate = 1, WeightBy = WeightBy.Uniform },
            Privacy = new PrivacyPolicy { Unit = PrivacyUnit.Example, Clip = Clip, NoiseMultiplier = noise, SamplingRate = 1, Delta = 1e-5 },
            Rounds = new RoundPolicy { Count = Rounds },
            Evaluation = new EvaluationPlan { Every = 0 },
        },
        Registry.CreateDefault());

    /// <summary>The model of a round: it lets canaries pull one way always, or one way and the other in turns, which noise that is used again does not survive.</summary>
    public void Choose(ModelState model, int round, bool inTurns) => model.Trainable.AsSpan().Fill(SignOf(round, inTurns) * Weight);

    /// <summary>Which way canaries pull in a round.</summary>
    public static int SignOf(int round, bool inTurns) => inTurns && round % 2 == 0 ? -1 : 1;
}
