using System.Numerics;

namespace FedCore.Privacy.Sampling;

/// <summary>Numbers between 0 and 1 as whole multiples of 2^-bits, with known errors.</summary>
internal static class FixedPoint
{
    /// <summary>exp(-p/q); 0 where p/q is 2^20 or more.</summary>
    /// <param name="p">The numerator, at least 0.</param>
    /// <param name="q">The denominator, above 0.</param>
    /// <param name="bits">Bits behind the point.</param>
    /// <returns>The number, off by at most 2^36 units in the last place.</returns>
    public static BigInteger ExpMinus(BigInteger p, BigInteger q, int bits)
    {
        // exp(-x) = exp(-x/2^halvings)^(2^halvings), where x/2^halvings is at most 1/256 and its series short: fewer than 2^7 terms, each off by less than one unit, and each square doubles that.
        int halvings = (int)(p / q).GetBitLength() + 8;
        if (halvings > 28) return BigInteger.Zero;
        BigInteger x = ((p << bits) / q) >> halvings, term = BigInteger.One << bits, sum = term;
        for (int k = 1; !term.IsZero; k++)
        {
            term = ((term * x) >> bits) / k;
            sum += (k & 1) == 1 ? -term : term;
        }

        for (int i = 0; i < halvings; i++) sum = (sum * sum) >> bits;
        return sum;
    }
}
