namespace FedCore.Training.Tests.Data;

internal static class Faults
{
    /// <summary>A fault in data: it has a code, and its message names everything that a person needs to find the place.</summary>
    public static void Assert(FedCoreException fault, string code, params string[] names)
    {
        Xunit.Assert.Equal(FaultKind.Configuration, fault.Kind);
        Xunit.Assert.Equal(code, fault.Code);
        Xunit.Assert.All(names, name => Xunit.Assert.Contains(name, fault.Message, StringComparison.Ordinal));
    }
}
