using System.ComponentModel.DataAnnotations;
using FedCore.Naming;

namespace FedCore.Rounds.Staleness;

/// <summary>How much an update counts that started from an older model than the present one. Registered by name; public properties are its parameters.</summary>
public interface IStalenessWeighting
{
    /// <summary>The factor on an update.</summary>
    /// <param name="staleness">How many versions of the model came since the client's task, 0 or more.</param>
    /// <returns>The factor, from 0 to 1; 1 for a fresh one.</returns>
    double Factor(int staleness);
}

/// <summary>(1 + staleness)^-exponent (Xie et al. 2019; with the exponent 1/2 that of Nguyen et al. 2022, section 5).</summary>
[Paper("Xie et al. 2019, Asynchronous Federated Optimization", "https://arxiv.org/abs/1903.03934")]
public sealed class PolynomialStaleness : IStalenessWeighting
{
    /// <summary>The exponent, 0 or more.</summary>
    [PaperValue("The paper's default is 0.5.")]
    [Range(0, 100)]
    public double Exponent { get; init; } = 0.5;

    /// <inheritdoc/>
    public double Factor(int staleness) => Math.Pow(1 + staleness, -Exponent);
}

/// <summary>1 for every update.</summary>
public sealed class ConstantStaleness : IStalenessWeighting
{
    /// <inheritdoc/>
    public double Factor(int staleness) => 1;
}
