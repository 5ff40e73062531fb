using FedCore.Models;
using FedCore.PlugIn.Sample.Units;
using FedCore.Training.Data;

namespace FedCore.PlugIn.Sample;

/// <summary>Temperatures in degrees Celsius, of which the last are fevers.</summary>
public sealed class FeverSource : IDataSource
{
    /// <summary>The temperatures in degrees Fahrenheit.</summary>
    public required IReadOnlyList<double> Fahrenheit { get; init; }

    /// <summary>From which on it is a fever, in degrees Celsius.</summary>
    public double Fever { get; init; } = 38;

    public ValueTask<DataPool> LoadAsync(DataRequest request, CancellationToken ct)
    {
        double[] celsius = [.. Fahrenheit.Select(Temperature.Celsius)];
        return new ValueTask<DataPool>(new DataPool(new InMemoryExamples(
            new Shape(1), [.. celsius.Select(value => (float)value)], [.. celsius.Select(value => value >= Fever ? 1f : 0f)])));
    }
}
