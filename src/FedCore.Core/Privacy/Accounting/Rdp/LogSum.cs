namespace FedCore.Privacy.Accounting.Rdp;

/// <summary>A sum of numbers that are known by their logarithms, and too large or too small for a double.</summary>
internal struct LogSum()
{
    private double _scale = double.NegativeInfinity, _sum = 0;

    /// <summary>The logarithm of the sum; minus infinity for nothing.</summary>
    public readonly double Value => _sum > 0 ? _scale + Math.Log(_sum) : double.NegativeInfinity;

    /// <summary>Adds a number.</summary>
    /// <param name="logarithm">Its logarithm.</param>
    public void Add(double logarithm)
    {
        if (double.IsNegativeInfinity(logarithm)) return;
        if (logarithm > _scale)
        {
            _sum = double.IsNegativeInfinity(_scale) ? 0 : _sum * Math.Exp(_scale - logarithm);
            _scale = logarithm;
        }

        _sum += Math.Exp(logarithm - _scale);
    }
}
