using System.ComponentModel.DataAnnotations;
using FedCore.Aggregation;
using FedCore.Models;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Strategies.Server;
using FedCore.Updates;

namespace FedCore.Strategies;

/// <summary>
/// q-FedAvg (Li et al. 2020, "Fair resource allocation in federated learning", algorithm 2): clients that the model serves badly count for more, by the q-th
/// power of their loss. Their numbers of examples do not count. With q = 0 it is federated averaging of equal clients.
/// </summary>
[Paper("Li et al. 2020, Fair Resource Allocation in Federated Learning", "https://arxiv.org/abs/1905.10497")]
public sealed class QFedAvg : IStrategy
{
    /// <summary>The section of the sum of the clients' h, by which the sum of changes is divided.</summary>
    private const string Normalizer = "normalizer";

    // The authors' code adds as much, so that a client with a loss of 0 has powers of it.
    private const double LeastLoss = 1e-10;

    /// <summary>How much fairness counts, 0 or more.</summary>
    [PaperValue("The paper tries 0 to 15, and 1 first.")]
    [Range(0, 100)]
    public double Q { get; init; } = 1;

    /// <inheritdoc/>
    public bool HasOwnWeights => true;

    /// <inheritdoc/>
    public void Check(RunDefinition run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (run.Aggregator is not WeightedMean)
        {
            throw FedCoreException.Configuration(
                "run.strategy", "strategy qfedavg lets clients with a large loss count for more, which another aggregator than weightedMean would undo. Use one of the two.");
        }
    }

    /// <inheritdoc/>
    public UpdateLayout Layout(ModelSchema schema) => UpdateLayout.ForModel(schema).With(new Section(Normalizer, SectionRole.Statistic, 1));

    /// <inheritdoc/>
    public ClientTask Plan(RoundContext round, ClientDescriptor client)
    {
        ArgumentNullException.ThrowIfNull(round);
        return round.StandardTask;
    }

    /// <inheritdoc/>
    public IClientAlgorithm CreateClientAlgorithm(ClientTask task) => new FairTraining(Q);

    /// <inheritdoc/>
    public void Apply(UpdateSum sum, RoundContext round, ServerState state)
    {
        ArgumentNullException.ThrowIfNull(sum);
        new ServerAverage().Step(state, new MeanChange(sum, 1 / sum.Scalar(Normalizer)));
    }

    private sealed class FairTraining(double q) : LocalTraining
    {
        private double _loss;

        public override ValueTask RunAsync(IClientContext context, Update update, CancellationToken ct)
        {
            ArgumentNullException.ThrowIfNull(context);
            _loss = Math.Max(LeastLoss, context.EvaluateLoss());
            return base.RunAsync(context, update, ct);
        }

        // Delta = F^q L (w_global - w), h = q F^(q-1) ||L (w_global - w)||² + L F^q, with L = 1 / the step size.
        protected override void WriteChange(IClientContext context, Update update)
        {
            double lipschitz = 1 / context.Task.LearningRate, power = Math.Pow(_loss, q);
            double squaredNorm = VectorBlocks.SquaredDistance(context.Model.Parameters, context.Global, context.Global.Length) * lipschitz * lipschitz;
            update.Weight = power * lipschitz;
            update.Scalar(Normalizer) = q * Math.Pow(_loss, q - 1) * squaredNorm + update.Weight;
            base.WriteChange(context, update);
        }
    }
}
