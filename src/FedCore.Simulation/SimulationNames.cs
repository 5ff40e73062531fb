using FedCore.Naming;
using FedCore.Simulation.Poisoning;
using FedCore.Training;

namespace FedCore.Simulation;

/// <summary>The names that simulations add to a registry.</summary>
public static class SimulationNames
{
    /// <summary>Adds what the training side adds, and how simulated clients attack.</summary>
    /// <param name="registry">The registry.</param>
    /// <returns>The registry.</returns>
    public static Registry AddSimulation(this Registry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        return registry.AddTraining()
            .Register<IPoisoning, LabelFlipPoisoning>("labelFlip")
            .Register<IPoisoning, SignFlipPoisoning>("signFlip")
            .Register<IPoisoning, ScaledUpdatePoisoning>("scaledUpdate")
            .Register<IPoisoning, NotANumberPoisoning>("notANumber");
    }
}
