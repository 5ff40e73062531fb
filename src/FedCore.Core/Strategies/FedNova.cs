using FedCore.Models;
using FedCore.Naming;
using FedCore.Optimizers;
using FedCore.Rounds;
using FedCore.Strategies.Server;
using FedCore.Updates;

namespace FedCore.Strategies;

/// <summary>
/// FedNova (Wang et al. 2020, equation 8): clients that take more steps reach farther, so each change is divided by its number of normalised steps, and the
/// mean is multiplied by the mean number. Clients may take as many steps as they can. Local momentum, a proximal term and server momentum are its variants.
/// </summary>
[Paper("Wang et al. 2020, Tackling the Objective Inconsistency Problem in Heterogeneous Federated Optimization", "https://arxiv.org/abs/2007.07481")]
public sealed class FedNova : FedProx
{
    /// <summary>The section of the clients' numbers of normalised steps, ||a||_1.</summary>
    private const string NormalizedSteps = "normalizedSteps";

    /// <summary>A client half without proximal term, unless one is asked for; partial work counts for what it is.</summary>
    public FedNova() => Mu = 0;

    /// <inheritdoc/>
    public override bool IsLinear => false;

    /// <inheritdoc/>
    public override void Check(RunDefinition run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (run.Training.Optimizer is not SgdSpec)
        {
            throw FedCoreException.Configuration(
                "run.strategy", "strategy fednova knows how far steps reach for gradient descent, with or without momentum. Set training.optimizer.type to \"sgd\".");
        }
    }

    /// <inheritdoc/>
    public override UpdateLayout Layout(ModelSchema schema) =>
        base.Layout(schema).With(new Section(NormalizedSteps, SectionRole.Statistic, 1, Weighting.Scalar));

    /// <inheritdoc/>
    public override IClientAlgorithm CreateClientAlgorithm(ClientTask task) => new NormalizedTraining((float)Mu);

    /// <inheritdoc/>
    public override void Apply(UpdateSum sum, RoundContext round, ServerState state)
    {
        ArgumentNullException.ThrowIfNull(sum);
        Server.Step(state, new MeanChange(sum, sum.Scalar(NormalizedSteps) / sum.Weight / sum.Weight));
    }

    /// <summary>
    /// ||a||_1, the sum of the factors with which the gradients of a client's steps enter its change (section 4.1): as far as the same steps reach for
    /// gradients of 1 and a rate of 1. For plain gradient descent it is the number of steps.
    /// </summary>
    /// <param name="steps">Number of steps, at least 1.</param>
    /// <param name="optimizer">The client's optimizer.</param>
    /// <param name="proximal">The step size times mu.</param>
    /// <returns>The sum.</returns>
    internal static double NormalizedStepsOf(int steps, SgdSpec optimizer, double proximal)
    {
        double distance = 0, velocity = 0;
        for (int step = 0; step < steps; step++)
        {
            double gradient = 1 - proximal * distance;
            velocity = optimizer.Momentum * velocity + gradient;
            distance += optimizer.Nesterov ? gradient + optimizer.Momentum * velocity : velocity;
        }

        return distance;
    }

    private sealed class NormalizedTraining(float mu) : ProximalTraining(mu)
    {
        protected override void WriteChange(IClientContext context, Update update)
        {
            double steps = NormalizedStepsOf(context.Steps, (SgdSpec)context.Optimizer, context.Task.LearningRate * Mu);
            update.Scalar(NormalizedSteps) = steps;
            update.WriteModelChange(context.Global, context.Model.Parameters, 1 / steps);
        }
    }
}
