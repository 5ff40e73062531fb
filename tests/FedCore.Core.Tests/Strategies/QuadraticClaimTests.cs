using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Optimizers;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Strategies.Conformance;
using FedCore.Strategies.Schedules;
using FedCore.Strategies.Server;

namespace FedCore.Core.Tests.Strategies;

/// <summary>What strategies claim to do about clients that differ, where the optimum is known: quadratic losses with curvatures and optima of their own.</summary>
public class QuadraticClaimTests
{
    private const int Parameters = 10, Clients = 20;

    // 1, 3, 6, ... 50: the claim's numbers of local steps.
    private static readonly Func<int, int> From1To50 = client => 1 + client * 49 / (Clients - 1);

    // What is left of the clients' drift shrinks with the rate, for both.
    private static readonly TrainingPlan Decaying = new() { Steps = 10, LearningRate = 0.01, Schedule = new ExponentialSchedule { Gamma = 0.999 } };

    private static readonly TrainingPlan Constant = new() { Steps = 10, LearningRate = 0.05 };

    // Wang et al. 2020, section 3: with different numbers of local steps FedAvg minimises another loss than the one it is told to; FedNova does not.
    [Fact]
    public async Task With_1_to_50_local_steps_FedNova_ends_at_the_optimum_and_FedAvg_elsewhere()
    {
        double nova = await DistanceAsync(new FedNova(), Decaying, 8000, From1To50), avg = await DistanceAsync(new FedAvg(), Decaying, 8000, From1To50);
        TestContext.Current.SendDiagnosticMessage($"distance to the optimum: FedNova {nova:G3}, FedAvg {avg:G3}");
        Assert.InRange(nova, 0, 1e-3);
        Assert.True(avg >= 10 * nova, $"FedAvg {avg}, FedNova {nova}");
    }

    // Its variants (section 5): a step with momentum, with a proximal term, and momentum at the server.
    [Theory]
    [InlineData(0.9, false, 0, 0)]
    [InlineData(0.9, true, 0, 0)]
    [InlineData(0, false, 0.1, 0)]
    [InlineData(0.5, false, 0.1, 0.5)]
    public async Task FedNova_ends_at_the_optimum_with_momentum_and_proximal_term(double momentum, bool nesterov, double mu, double serverMomentum)
    {
        TrainingPlan training = Decaying with { LearningRate = Decaying.LearningRate * (1 - momentum), Optimizer = new SgdSpec { Momentum = momentum, Nesterov = nesterov } };
        var strategy = new FedNova { Mu = mu, Server = new ServerMomentum { Momentum = serverMomentum } };
        Assert.InRange(await DistanceAsync(strategy, training, 8000, From1To50), 0, 2e-3);
    }

    // Karimireddy et al. 2020, theorems 1 and 3; Acar et al. 2021, section 3: at a constant rate FedAvg stops beside the optimum, and whoever corrects the drift
    // reaches it, also where only some of the clients take part in a round.
    [Theory]
    [InlineData(Clients)]
    [InlineData(5)]
    public async Task At_a_constant_rate_drift_correction_reaches_the_optimum(int cohort)
    {
        TrainingPlan equal = Constant with { WeightBy = WeightBy.Uniform };
        double avg = await DistanceAsync(new FedAvg(), equal, 1000, cohort: cohort);
        double scaffold = await DistanceAsync(new Scaffold(), equal, 1000, cohort: cohort);
        double dyn = await DistanceAsync(new FedDyn { Alpha = 0.5 }, equal, 1000, cohort: cohort);
        TestContext.Current.SendDiagnosticMessage($"{cohort} of {Clients} clients: FedAvg {avg:G3}, SCAFFOLD {scaffold:G3}, FedDyn {dyn:G3}");
        Assert.InRange(avg, 0.02, 1);
        Assert.InRange(scaffold, 0, 1e-4);
        Assert.InRange(dyn, 0, 1e-4);
    }

    [Fact]
    public async Task SCAFFOLD_reaches_the_optimum_of_the_weighted_loss_where_clients_weigh_by_their_examples() =>
        Assert.InRange(await DistanceAsync(new Scaffold(), Constant, 1000), 0, 1e-4);

    // Li et al. 2020, section 4: the larger q, the nearer to each other the clients' losses, and the lower the worst of them.
    [Fact]
    public async Task With_larger_q_the_worst_loss_is_lower_and_losses_are_more_alike()
    {
        var worst = new List<double>();
        var spread = new List<double>();
        foreach (double q in (double[])[0, 1, 5])
        {
            using QuadraticFederation federation = New(new QFedAvg { Q = q }, Constant, 1000, out QuadraticClient[] clients);
            await RunAsync(federation, 1000, Clients);
            double[] losses = [.. clients.Select(client => LossAt(client, federation.Model))];
            worst.Add(losses.Max());
            spread.Add(losses.Sum(loss => Math.Pow(loss - losses.Average(), 2)));
        }

        Assert.Equal(worst.OrderDescending(), worst);
        Assert.Equal(spread.OrderDescending(), spread);
        Assert.True(worst[^1] < 0.8 * worst[0], string.Join(" ", worst));
    }

    [Fact]
    public async Task With_q_of_0_it_is_FedAvg_of_equal_clients()
    {
        using QuadraticFederation fair = New(new QFedAvg { Q = 0 }, Constant, 10, out _);
        using QuadraticFederation average = New(new FedAvg(), Constant with { WeightBy = WeightBy.Uniform }, 10, out _);
        await RunAsync(fair, 10, Clients);
        await RunAsync(average, 10, Clients);
        for (int j = 0; j < Parameters; j++) Assert.Equal(average.Model[j], fair.Model[j], 1e-5f);
    }

    private static async Task<double> DistanceAsync(IStrategy strategy, TrainingPlan training, int rounds, Func<int, int>? steps = null, int cohort = Clients)
    {
        using QuadraticFederation federation = New(strategy, training, rounds, out QuadraticClient[] clients, steps);
        await RunAsync(federation, rounds, cohort);
        double[] optimum = QuadraticFederation.OptimumOf(clients, client => training.WeightBy == WeightBy.Uniform ? 1 : client.ExampleCount);
        return Math.Sqrt(federation.Model.Zip(optimum, (w, o) => (w - o) * (w - o)).Sum());
    }

    private static QuadraticFederation New(IStrategy strategy, TrainingPlan training, int rounds, out QuadraticClient[] clients, Func<int, int>? steps = null)
    {
        RandomStream random = Statistics.Stream("quadratics");
        clients = [.. Enumerable.Range(0, Clients).Select(client => new QuadraticClient(
            [.. Enumerable.Range(0, Parameters).Select(_ => (float)(0.2 + 1.8 * random.NextDouble()))],
            [.. Enumerable.Range(0, Parameters).Select(_ => (float)random.NextNormal())],
            1 + random.NextInt32(100)) { FixedSteps = steps?.Invoke(client) })];
        return new QuadraticFederation(QuadraticFederation.PlanFor(strategy, Registry.CreateDefault(), Parameters, training, rounds), clients);
    }

    private static async Task RunAsync(QuadraticFederation federation, int rounds, int cohort)
    {
        RandomStream random = Statistics.Stream("cohorts");
        int[] all = [.. Enumerable.Range(0, Clients)];
        for (int round = 1; round <= rounds; round++)
        {
            if (cohort < Clients) random.Shuffle<int>(all);
            await federation.RoundAsync(round, all[..cohort], TestContext.Current.CancellationToken);
        }
    }

    private static double LossAt(QuadraticClient client, float[] model) =>
        client.Curvature.Zip(client.Optimum, (a, b) => (a, b)).Select((term, j) => 0.5 * term.a * Math.Pow(model[j] - term.b, 2)).Sum();
}
