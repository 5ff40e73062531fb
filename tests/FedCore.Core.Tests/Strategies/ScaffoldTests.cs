using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Strategies.Conformance;

namespace FedCore.Core.Tests.Strategies;

public class ScaffoldTests
{
    // Karimireddy et al. 2020, algorithm 1, lines 12 to 17, from zeros: c_i+ = (x - y_i) / (K eta), c = sum over the cohort of c_i+ / N.
    [Fact]
    public async Task Behind_a_round_the_control_variates_are_the_papers()
    {
        const double rate = 0.1;
        QuadraticClient[] clients = [.. Enumerable.Range(0, 4).Select(i => new QuadraticClient([1, 2], [i, -i], 10))];
        using QuadraticFederation federation = new(QuadraticFederation.PlanFor(
            new Scaffold(), Registry.CreateDefault(), 2, new TrainingPlan { Steps = 3, LearningRate = rate, WeightBy = WeightBy.Uniform }), clients);
        await federation.RoundAsync(1, [1, 3], TestContext.Current.CancellationToken);

        // Three steps of w -= eta a (w - b) from 0 end at b (1 - (1 - eta a)^3).
        double[] expected = [.. Enumerable.Range(0, 2).Select(j => new[] { 1, 3 }.Sum(i =>
            -(j == 0 ? i : -i) * (1 - Math.Pow(1 - rate * (j + 1), 3)) / (3 * rate)) / 4)];
        float[] control = federation.Server.Vector("control").AsSpan().ToArray();
        for (int j = 0; j < 2; j++) Assert.Equal(expected[j], control[j], 1e-6);
    }
}
