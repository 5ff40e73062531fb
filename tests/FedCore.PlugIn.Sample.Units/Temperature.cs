namespace FedCore.PlugIn.Sample.Units;

/// <summary>What the sample plug-in depends on, and nobody else.</summary>
public static class Temperature
{
    /// <summary>Degrees Fahrenheit in degrees Celsius.</summary>
    public static double Celsius(double fahrenheit) => (fahrenheit - 32) / 1.8;
}
