using System.ComponentModel.DataAnnotations;
using System.Numerics.Tensors;
using FedCore.Models;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Updates;

namespace FedCore.Strategies;

/// <summary>
/// FedDyn (Acar et al. 2021, algorithm 1): each client adds a linear and a quadratic term to its loss, which it moves from round to round so that in the limit
/// the clients' optima are the global one. Every client weighs the same, whatever <c>training.weightBy</c> says.
/// </summary>
[Paper("Acar et al. 2021, Federated Learning Based on Dynamic Regularization", "https://arxiv.org/abs/2111.04263")]
public sealed class FedDyn : IStrategy
{
    // The server's h and a client's gradient of its own loss, of the paper's section 3.
    private const string ServerTerm = "h", ClientGradient = "gradient";

    /// <summary>The weight alpha of the dynamic terms, above 0. Where the loss grows over many rounds it is too small for how exactly clients minimise.</summary>
    [PaperValue("The paper's default is 0.01; it tries 0.1, 0.01 and 0.001.")]
    [Range(0, double.MaxValue, MinimumIsExclusive = true)]
    public double Alpha { get; init; } = 0.01;

    /// <inheritdoc/>
    public bool KeepsClientState => true;

    /// <inheritdoc/>
    public void Check(RunDefinition run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (run.Transforms.Count > 0)
        {
            throw FedCoreException.Configuration(
                "run.strategy", "strategy feddyn adds up at its server what each client keeps too, and what transforms round away would add up with it. Leave transforms out, or use scaffold or fedprox.");
        }
    }

    /// <inheritdoc/>
    public UpdateLayout Layout(ModelSchema schema) => UpdateLayout.ForModel(schema);

    /// <inheritdoc/>
    public ClientTask Plan(RoundContext round, ClientDescriptor client)
    {
        ArgumentNullException.ThrowIfNull(round);
        return round.StandardTask with { Weighting = ClientWeighting.One };
    }

    /// <inheritdoc/>
    public IClientAlgorithm CreateClientAlgorithm(ClientTask task) => new DynamicTraining((float)Alpha);

    /// <inheritdoc/>
    public void Apply(UpdateSum sum, RoundContext round, ServerState state)
    {
        ArgumentNullException.ThrowIfNull(sum);
        ArgumentNullException.ThrowIfNull(round);
        ArgumentNullException.ThrowIfNull(state);
        FlatVector model = state.Model.Trainable, h = state.Vector(ServerTerm);
        float share = (float)(-Alpha * sum.Contributors / (round.Population * sum.Weight)), mean = (float)(1 / sum.Weight), step = (float)(-1 / Alpha);
        foreach ((long offset, int count) in VectorBlocks.Of(model.Length))
        {
            Span<float> w = model.Slice(offset, count), term = h.Slice(offset, count);
            ReadOnlySpan<float> change = sum.Slice(Section.Model, offset, count);
            TensorPrimitives.FusedMultiplyAdd(change, share, term, term);
            TensorPrimitives.FusedMultiplyAdd(change, mean, w, w);
            TensorPrimitives.FusedMultiplyAdd(term, step, w, w);
        }
    }

    // It minimises F_k(w) - <g_k, w> + alpha/2 ||w - w_global||².
    private sealed class DynamicTraining(float alpha) : LocalTraining
    {
        private FlatVector _gradient = null!;

        public override ValueTask RunAsync(IClientContext context, Update update, CancellationToken ct)
        {
            ArgumentNullException.ThrowIfNull(context);
            _gradient = context.State.Vector(ClientGradient, context.Global.Length);
            return base.RunAsync(context, update, ct);
        }

        protected override void CorrectGradient(GradientBlock block)
        {
            ProximalTraining.AddTo(block, alpha);
            TensorPrimitives.Subtract(block.Gradient, _gradient.Slice(block.Offset, block.Gradient.Length), block.Gradient);
        }

        // Where the client's loss is at its minimum, its gradient is g_k - alpha (w - w_global): the next g_k.
        protected override void WriteChange(IClientContext context, Update update)
        {
            Span<float> scratch = stackalloc float[VectorBlocks.BlockLength];
            foreach ((long offset, int count) in VectorBlocks.Of(_gradient.Length))
            {
                Span<float> gradient = _gradient.Slice(offset, count), drift = scratch[..count];
                TensorPrimitives.Subtract(context.Model.Parameters.Slice(offset, count), context.Global.Slice(offset, count), drift);
                TensorPrimitives.FusedMultiplyAdd(drift, -alpha, gradient, gradient);
            }

            base.WriteChange(context, update);
        }
    }
}
