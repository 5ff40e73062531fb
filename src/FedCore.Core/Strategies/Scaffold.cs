using System.Numerics.Tensors;
using FedCore.Models;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Optimizers;
using FedCore.Rounds;
using FedCore.Updates;

namespace FedCore.Strategies;

/// <summary>
/// SCAFFOLD (Karimireddy et al. 2020, algorithm 1 with option II): control variates, estimates of each client's and of the mean gradient, take the clients'
/// drift out of every local step. The server's is sent along with the model; a client's own stays with it from round to round, its change is summed.
/// In the paper all clients weigh the same (<c>training.weightBy</c> uniform); FLamby weighs models and control variates by examples, as is the default here.
/// </summary>
[Paper("Karimireddy et al. 2020, SCAFFOLD: Stochastic Controlled Averaging for Federated Learning", "https://arxiv.org/abs/1910.06378")]
public sealed class Scaffold : FedAvg
{
    /// <summary>The server's control variate, and the section of its change.</summary>
    private const string Control = "control";

    /// <inheritdoc/>
    public override bool KeepsClientState => true;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Broadcasts { get; } = [Control];

    /// <inheritdoc/>
    public override void Check(RunDefinition run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (run.Training.Optimizer is not SgdSpec { Momentum: 0 })
        {
            throw FedCoreException.Configuration(
                "run.strategy", "strategy scaffold takes a client's mean gradient from its steps, which are gradients only without momentum. Set training.optimizer to "
                + "{\"type\": \"sgd\"}; a momentum may stand at the server: strategy.server {\"type\": \"momentum\"}.");
        }
    }

    /// <inheritdoc/>
    public override UpdateLayout Layout(ModelSchema schema)
    {
        ArgumentNullException.ThrowIfNull(schema);
        return base.Layout(schema).With(new Section(Control, SectionRole.Control, schema.TrainableCount, Weighting.Scalar));
    }

    /// <inheritdoc/>
    public override IClientAlgorithm CreateClientAlgorithm(ClientTask task) => new ControlledTraining();

    /// <inheritdoc/>
    public override void Apply(UpdateSum sum, RoundContext round, ServerState state)
    {
        ArgumentNullException.ThrowIfNull(sum);
        ArgumentNullException.ThrowIfNull(round);
        ArgumentNullException.ThrowIfNull(state);
        base.Apply(sum, round, state);

        // c += |S|/N times the mean change of the c_i of the clients S that took part; of the others it is 0.
        FlatVector control = state.Vector(Control);
        float scale = (float)(sum.Contributors / (round.Population * sum.Weight));
        foreach ((long offset, int count) in VectorBlocks.Of(control.Length))
        {
            Span<float> c = control.Slice(offset, count);
            TensorPrimitives.FusedMultiplyAdd(sum.Slice(Control, offset, count), scale, c, c);
        }
    }

    private sealed class ControlledTraining : LocalTraining
    {
        private Update _update = null!;

        // The section of the change is where the correction c - c_i lies meanwhile.
        public override ValueTask RunAsync(IClientContext context, Update update, CancellationToken ct)
        {
            ArgumentNullException.ThrowIfNull(context);
            ArgumentNullException.ThrowIfNull(update);
            _update = update;
            FlatVector global = context.Broadcast(Control), own = context.State.Vector(Control, global.Length);
            foreach ((long offset, int count) in VectorBlocks.Of(global.Length))
                TensorPrimitives.Subtract(global.Slice(offset, count), own.Slice(offset, count), update.Vector(Control, offset, count));
            return base.RunAsync(context, update, ct);
        }

        protected override void CorrectGradient(GradientBlock block) =>
            TensorPrimitives.Add(block.Gradient, _update.Vector(Control, block.Offset, block.Gradient.Length), block.Gradient);

        // Option II: c_i+ = c_i - c + (x - y) / (K eta), so the change of c_i is (x - y) / (K eta) - c.
        protected override void WriteChange(IClientContext context, Update update)
        {
            FlatVector x = context.Global, y = context.Model.Parameters, global = context.Broadcast(Control), own = context.State.Vector(Control, global.Length);
            float rate = (float)(1 / (context.Steps * context.Task.LearningRate));
            foreach ((long offset, int count) in VectorBlocks.Of(global.Length))
            {
                Span<float> change = update.Vector(Control, offset, count), control = own.Slice(offset, count);
                VectorBlocks.ScaledDifference(x.Slice(offset, count), y.Slice(offset, count), rate, change);
                TensorPrimitives.Subtract(change, global.Slice(offset, count), change);
                TensorPrimitives.Add(control, change, control);
            }

            base.WriteChange(context, update);
        }
    }
}
