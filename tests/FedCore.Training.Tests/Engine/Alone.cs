namespace FedCore.Training.Tests.Engine;

/// <summary>Tests that take times: no other runs beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}
