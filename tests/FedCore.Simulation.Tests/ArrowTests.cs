using System.Reflection;
using FedCore.Tests;
using FedCore.Training;

namespace FedCore.Simulation.Tests;

public class ArrowTests
{
    public static TheoryData<string> Assemblies => ["FedCore.Training", "FedCore.Simulation"];

    // What the compiler wrote into the assemblies, where the project files are only a promise.
    [Theory]
    [MemberData(nameof(Assemblies))]
    public void An_assembly_is_compiled_only_against_what_it_may_know(string name)
    {
        Assembly assembly = name == "FedCore.Training" ? typeof(ITrainer).Assembly : typeof(FederatedSimulation).Assembly;
        Assert.Equal(name, assembly.GetName().Name);
        string[] references = [.. assembly.GetReferencedAssemblies().Select(r => r.Name!).Where(r => r.StartsWith("FedCore", StringComparison.OrdinalIgnoreCase))];
        Assert.Empty(references.Except(Arrows.Allowed[name]));
    }
}
