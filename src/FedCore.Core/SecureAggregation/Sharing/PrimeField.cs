namespace FedCore.SecureAggregation.Sharing;

/// <summary>Arithmetic modulo the prime 2^31 + 11. Numbers are below it; what is done with them takes the same time for all.</summary>
internal static class PrimeField
{
    /// <summary>The prime.</summary>
    public const uint Prime = (1u << 31) + 11;

    public static uint Add(uint a, uint b) => (uint)(((ulong)a + b) % Prime);

    public static uint Subtract(uint a, uint b) => (uint)(((ulong)a + Prime - b) % Prime);

    public static uint Multiply(uint a, uint b) => (uint)((ulong)a * b % Prime);

    /// <summary>a * b + c.</summary>
    public static uint MultiplyAdd(uint a, uint b, uint c) => (uint)(((ulong)a * b + c) % Prime);

    /// <summary>The number that gives 1 when it is multiplied with <paramref name="a"/>, which is not 0: a^(p - 2), by Fermat's little theorem.</summary>
    public static uint Invert(uint a)
    {
        uint result = 1;
        for (uint exponent = Prime - 2, power = a; exponent > 0; exponent >>= 1, power = Multiply(power, power))
            if ((exponent & 1) != 0) result = Multiply(result, power);
        return result;
    }
}
