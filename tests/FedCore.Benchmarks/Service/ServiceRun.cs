using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Rounds;

namespace FedCore.Benchmarks.Service;

/// <summary>A run of one linear layer, which all sites take part in, round by round.</summary>
/// <param name="Name">How it is called.</param>
/// <param name="Inputs">What the layer reads.</param>
/// <param name="Outputs">What it makes of it.</param>
/// <param name="Rounds">How many rounds there are.</param>
internal sealed record ServiceRun(string Name, int Inputs, int Outputs, int Rounds)
{
    /// <summary>7,850 numbers: 31 kB.</summary>
    public static ServiceRun Small(int rounds) => new("small", 784, 10, rounds);

    /// <summary>1,048,576 numbers: 4 MiB.</summary>
    public static ServiceRun Large(int rounds) => new("large", 1023, 1024, rounds);

    /// <summary>268,435,456 numbers: 1 GiB.</summary>
    public static ServiceRun Huge(int rounds) => new("huge", 16_383, 16_384, rounds);

    public RunPlan Plan() => Suites.Models.Plan(
        new ModelSpec { Input = [Inputs], Layers = [new LinearSpec { Outputs = Outputs }], Loss = new SoftmaxCrossEntropySpec() }, new RoundPolicy { Count = Rounds }, batchSize: 10);
}
