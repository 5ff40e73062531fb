using System.Numerics;

namespace FedCore.Core.Tests.Privacy.Accounting;

/// <summary>
/// Delta of Poisson sampled Gaussian noise by another way than the accountant's: with M(s) the mean of e^(s loss), delta is the integral of M(s)^T e^(-s epsilon)/(s (s+1)) over a line
/// s = c + iu, divided by 2 pi (inversion of the Laplace transform, with no grid of losses). The trapezoidal rule converges faster than any power, in u as in the result.
/// </summary>
internal sealed class ContourIntegral
{
    private const int Points = 801, Nodes = 501;

    private readonly double[] _loss = new double[Points], _mass = new double[Points];
    private readonly long _steps;

    /// <param name="z">The noise multiplier.</param>
    /// <param name="q">The sampling rate.</param>
    /// <param name="steps">How often.</param>
    /// <param name="isAdd">Whether the contribution is added rather than removed.</param>
    public ContourIntegral(double z, double q, long steps, bool isAdd)
    {
        _steps = steps;
        double from = -12 * z, width = (1 + 24 * z) / (Points - 1);
        for (int i = 0; i < Points; i++)
        {
            double x = from + i * width, loss = Math.Log(1 - q + q * Math.Exp((2 * x - 1) / (2 * z * z)));
            double mass = Math.Exp(-x * x / (2 * z * z)) / (z * Math.Sqrt(2 * Math.PI)) * width;
            (_loss[i], _mass[i]) = isAdd ? (-loss, mass) : (loss, mass * Math.Exp(loss));
        }
    }

    public double Epsilon(double delta)
    {
        double low = 1e-3, high = 500;
        for (int i = 0; i < 30; i++)
        {
            double middle = (low + high) / 2;
            if (LogDelta(middle) > Math.Log(delta)) low = middle;
            else high = middle;
        }

        return high;
    }

    private double LogDelta(double epsilon)
    {
        // On the real line the integrand is smallest at the saddle point, through which the contour goes.
        double At(double s) => _steps * Complex.Log(Moment(s)).Real - s * epsilon - Math.Log(s) - Math.Log(s + 1);
        double low = Math.Log(1e-3), high = Math.Log(1e3);
        while (high - low > 1e-4)
        {
            double third = (high - low) / 3;
            if (At(Math.Exp(low + third)) < At(Math.Exp(high - third))) high -= third;
            else low += third;
        }

        double saddle = Math.Exp(low), top = At(saddle), e = 1e-2 * saddle;
        double curvature = (At(saddle + e) + At(saddle - e) - 2 * top) / (e * e), sum = 0.5, du = 14 / Math.Sqrt(curvature) / Nodes;
        for (int i = 1; i < Nodes; i++)
        {
            var s = new Complex(saddle, i * du);
            sum += Complex.Exp(_steps * Complex.Log(Moment(s)) - s * epsilon - Complex.Log(s * (s + 1)) - top).Real;
        }

        return top + Math.Log(sum * du / Math.PI);
    }

    private Complex Moment(Complex s)
    {
        Complex sum = 0;
        for (int i = 0; i < Points; i++) sum += _mass[i] * Complex.Exp(s * _loss[i]);
        return sum;
    }
}
