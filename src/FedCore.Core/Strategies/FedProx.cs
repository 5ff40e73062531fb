using System.ComponentModel.DataAnnotations;
using FedCore.Naming;
using FedCore.Rounds;

namespace FedCore.Strategies;

/// <summary>
/// FedProx (Li et al. 2020, algorithm 2): FedAvg whose clients minimise F_k(w) + mu/2 ||w - w_global||^2 and may send partial work, so that slow
/// devices take part instead of being dropped.
/// </summary>
[Paper("Li et al. 2020, Federated Optimization in Heterogeneous Networks", "https://arxiv.org/abs/1812.06127")]
public class FedProx : FedAvg
{
    /// <summary>The proximal term's weight mu, 0 or more.</summary>
    [PaperValue("The paper tries 0.001, 0.01, 0.1 and 1.")]
    [Range(0, double.MaxValue)]
    public double Mu { get; init; } = 0.01;

    /// <summary>Whether a client that cannot finish by the deadline sends what it has.</summary>
    public bool PartialWork { get; init; } = true;

    /// <inheritdoc/>
    public override ClientTask Plan(RoundContext round, ClientDescriptor client) =>
        base.Plan(round, client) with { AcceptPartialWork = PartialWork };

    /// <inheritdoc/>
    public override IClientAlgorithm CreateClientAlgorithm(ClientTask task) =>
        Mu == 0 ? new LocalTraining() : new ProximalTraining((float)Mu);
}
