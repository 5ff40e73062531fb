using System.Security.Cryptography;
using FedCore.Numerics;
using FedCore.Privacy.Sampling;
using FedCore.Rounds.Privacy;
using FedCore.Training.Data;
using FedCore.Training.Engine;

namespace FedCore.Training.Privacy;

/// <summary>
/// What hides single examples in one task's training (DP-SGD; Abadi et al. 2016, algorithm 1): secret batches, a limit for each example's gradient, and exact noise on the sum of a batch. All
/// gradients of the task go through it; there are no more of them than the site's ledger was told.
/// </summary>
internal sealed class ExampleShield : IDisposable
{
    // Of the clip, by which one example may change a part's sum beyond it. Each of the sum's numbers is one chain of at most 256 additions of terms that are examples' own, so with and without the
    // example it is off by at most 256 roundings of their magnitudes' sum (Higham 2002, "Accuracy and stability of numerical algorithms", equation 4.4), and the vector of these is no longer than 256
    // gradients: 2 x 256 x 256 x 2^-24 = 0.0078 of the longest.
    private const double RoundingMargin = Network.ClipTolerance + 2.0 * MostTogether * MostTogether / (1 << 24) * 1.002;

    // Rounding the sum to whole steps adds about so much of the clip to what one example changes.
    private const double StepMargin = 0.001;

    private readonly RandomBytes _random;
    private readonly DiscreteGaussianSampler _noise;
    private readonly double _step, _mean, _most;
    private readonly long[] _sums;
    private readonly long _mostSteps;
    private long _steps;

    /// <param name="privacy">What the run promises.</param>
    /// <param name="examples">Number of examples at the site.</param>
    /// <param name="parameters">Number of parameters.</param>
    /// <param name="steps">How many gradients may be computed.</param>
    /// <param name="random">Random bytes, which belong to it from now on.</param>
    public ExampleShield(RunPrivacy privacy, int examples, long parameters, long steps, RandomBytes random)
    {
        double rate = privacy.BatchRate ?? throw new InvalidOperationException("The run does not hide examples.");
        (_random, _mostSteps, Clip) = (random, steps, privacy.Policy.Clip);
        _sums = new long[parameters];
        Batches = new PoissonBatches(examples, rate, random);
        double root = Math.Sqrt(parameters);
        _step = Math.ScaleB(1, (int)Math.Floor(Math.Log2(StepMargin * Clip / root)));
        while (!WideNoise.Fits(privacy.NoiseMultiplier * SensitivityAt(_step, root)) && _step < Clip) _step *= 2;
        _noise = WideNoise.Sampler(privacy.NoiseMultiplier * SensitivityAt(_step, root), random);
        _mean = _step / (rate * examples);
        _most = Clip * examples;
    }

    /// <summary>How many examples a part of a batch has at most.</summary>
    public const int MostTogether = 256;

    /// <summary>The largest Euclidean norm of an example's gradient.</summary>
    public double Clip { get; }

    /// <summary>The batches.</summary>
    public IBatchOrder Batches { get; }

    /// <summary>
    /// Streams for what draws while a network is evaluated, such as dropout, one for each example: what falls out for one must not be known, since a public seed would show in all masks who is there, and
    /// must not depend on the others of its batch.
    /// </summary>
    /// <param name="count">How many.</param>
    public RandomStream[] CreateStreams(int count)
    {
        var streams = new RandomStream[count];
        Span<byte> key = stackalloc byte[32];
        foreach (ref RandomStream stream in streams.AsSpan())
        {
            for (int i = 0; i < key.Length; i += sizeof(ulong)) BitConverter.TryWriteBytes(key[i..], _random.NextUInt64());
            stream = new RandomStream(key);
        }

        CryptographicOperations.ZeroMemory(key);
        return streams;
    }

    /// <summary>Begins a batch.</summary>
    /// <exception cref="InvalidOperationException">There were as many as the task has steps.</exception>
    public void Begin()
    {
        if (_steps == _mostSteps) throw new InvalidOperationException($"The strategy wants more gradients than the task has steps, {_mostSteps}, for which the site's privacy ledger was told the cost.");
        _steps++;
        Array.Clear(_sums);
    }

    /// <summary>Adds the sum of a part of the batch, in whole steps: what is missing in one part leaves the others as they are, to the last bit.</summary>
    /// <param name="gradients">The sum of clipped gradients of at most <see cref="MostTogether"/> examples, each formed by itself.</param>
    public void Add(FlatVector gradients)
    {
        long next = 0;
        foreach ((long offset, int count) in VectorBlocks.Of(gradients.Length))
            foreach (float value in gradients.Slice(offset, count)) _sums[next++] += (long)Math.Round(Math.Clamp(value, -_most, _most) / _step);
    }

    /// <summary>Gives out the mean over the expected batch, with noise.</summary>
    /// <param name="gradients">Receives the mean.</param>
    public void Release(FlatVector gradients)
    {
        long next = 0;
        foreach ((long offset, int count) in VectorBlocks.Of(gradients.Length))
            foreach (ref float value in gradients.Slice(offset, count)) value = (float)((_sums[next++] + _noise.Next()) * _mean);
    }

    /// <summary>Wipes what is left of the random bytes.</summary>
    public void Dispose() => _random.Dispose();

    // What one example changes of the rounded sum, in steps.
    private double SensitivityAt(double step, double root) => Clip * (1 + RoundingMargin) / step + root;
}
