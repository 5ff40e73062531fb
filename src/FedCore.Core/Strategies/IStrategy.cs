using FedCore.Models;
using FedCore.Rounds;
using FedCore.Updates;

namespace FedCore.Strategies;

/// <summary>
/// A federated algorithm: one class with two halves. The server half plans what each client does and applies the sum of their updates; the client half
/// runs inside the site's trainer. Its public settable properties are its parameters in a run file; it keeps no state of its own, so that a run can be
/// resumed anywhere: what must last lives in <see cref="ServerState"/>.
/// </summary>
/// <remarks>A strategy sees sums, never one client's update, unless the run discloses it: how updates become a sum is the aggregator's business.</remarks>
public interface IStrategy
{
    /// <summary>
    /// Whether the new model is linear in the clients' updates: then sums of sums, as gateways form them, and scaled updates mean what they should.
    /// </summary>
    bool IsLinear => false;

    /// <summary>Whether its client half keeps vectors at the client from round to round (<see cref="IClientContext.State"/>).</summary>
    bool KeepsClientState => false;

    /// <summary>
    /// Whether its client half weighs updates by something else than <see cref="ClientTask.Weighting"/>. Then an aggregator cannot tell which weights a client can have, and
    /// takes any that is not below 0.
    /// </summary>
    bool HasOwnWeights => false;

    /// <summary>
    /// Whether its client half asks for a mean over the site's examples (<see cref="IClientContext.WriteExampleMean"/>), once, in place of training. Where a run hides examples it gets no gradients then.
    /// </summary>
    bool TakesExampleMeans => false;

    /// <summary>The vectors of <see cref="ServerState"/> that go to the clients along with the model.</summary>
    IReadOnlyList<string> Broadcasts => [];

    /// <summary>Refuses a run with which the strategy would not be what its name says.</summary>
    /// <param name="run">The run.</param>
    /// <exception cref="FedCoreException">It does not go with something else in the run (<c>run.strategy</c>); the message says why and what to do.</exception>
    void Check(RunDefinition run)
    {
    }

    /// <summary>The vector sections that a client's update has. The engine adds the weight and the metrics.</summary>
    /// <param name="schema">The model's tensors.</param>
    /// <returns>The layout; the same for the same schema.</returns>
    UpdateLayout Layout(ModelSchema schema);

    /// <summary>The same, for a strategy whose sections follow from something else in the run.</summary>
    /// <param name="run">The run.</param>
    /// <param name="schema">The model's tensors.</param>
    /// <returns>The layout; the same for the same run.</returns>
    UpdateLayout LayoutFor(RunDefinition run, ModelSchema schema) => Layout(schema);

    /// <summary>What a client is told to do in a round.</summary>
    /// <param name="round">The round.</param>
    /// <param name="client">The client.</param>
    /// <returns>The task; <see cref="RoundContext.StandardTask"/> is what the run file asks for.</returns>
    ClientTask Plan(RoundContext round, ClientDescriptor client);

    /// <summary>The client half for one task.</summary>
    /// <param name="task">The task.</param>
    /// <returns>A new algorithm, used once.</returns>
    IClientAlgorithm CreateClientAlgorithm(ClientTask task);

    /// <summary>The server half: changes the global model by the sum of the updates.</summary>
    /// <param name="sum">The sum, of at least one update.</param>
    /// <param name="round">The round.</param>
    /// <param name="state">The global model and whatever the strategy keeps.</param>
    void Apply(UpdateSum sum, RoundContext round, ServerState state);

    /// <summary>What the sum says beside the model, for the round's receipt; nothing by default.</summary>
    /// <param name="sum">The sum, of at least one update.</param>
    /// <param name="round">The round.</param>
    /// <returns>Names and numbers.</returns>
    IEnumerable<KeyValuePair<string, double>> Results(UpdateSum sum, RoundContext round) => [];
}
