using FedCore.Models;
using FedCore.Training.Data;

namespace FedCore.Simulation;

/// <summary>Examples from anybody's code, of which a model sees only those that it can take.</summary>
internal sealed class FittingData(IFederatedData inner, ModelPlan model) : IFederatedData
{
    public long ClientCount => inner.ClientCount;

    public string NameOf(long index) => inner.NameOf(index);

    public int TrainCountOf(long index) => inner.TrainCountOf(index);

    public ClientData Get(long index)
    {
        ClientData data = inner.Get(index);
        Require(data.Train.Set, index);
        if (!ReferenceEquals(data.Train.Set, data.Test.Set)) Require(data.Test.Set, index);
        return data;
    }

    private void Require(ExampleSet set, long index)
    {
        if (!set.Fits(model)) set.RequireFit(model, $"The examples of client '{Shown.Of(NameOf(index))}'");
    }
}
