using FedCore.Naming;
using FedCore.Strategies;
using FedCore.Training;
using FedCore.Training.Data;

namespace FedCore.PlugIn.Sample;

/// <summary>A plug-in as a site would write it.</summary>
public sealed class SamplePlugIn : IPlugIn
{
    public void Register(Registry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        registry
            .Register<ITrainer, CountingTrainer>("counting")
            .Register<IDataSource, FeverSource>("fever")
            .Register<IStrategy, HalfSteps>("halfSteps");
    }
}
