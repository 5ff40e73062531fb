using System.Reflection;
using FedCore.Tests;

namespace FedCore.Client.Tests;

public class ArrowTests
{
    // What the compiler wrote into the assembly, where the project file is only a promise.
    [Fact]
    public void The_client_is_compiled_only_against_what_it_may_know()
    {
        Assembly client = typeof(EdgeNames).Assembly;
        string[] references = [.. client.GetReferencedAssemblies().Select(r => r.Name!).Where(r => r.StartsWith("FedCore", StringComparison.OrdinalIgnoreCase))];
        Assert.Equal("FedCore.Client", client.GetName().Name);
        Assert.Empty(references.Except(Arrows.Allowed["FedCore.Client"]));
    }
}
