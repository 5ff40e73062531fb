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

    // Rounding the sum to whole steps adds at most so much of the clip to what one example changes, so that the noise is narrow enough to be drawn of single words of random bits.
    private const double StepMargin = 0.002;

    // Of the noise, in steps: so that it does not leave 32 bits, nor half of them.
    private const double MostDeviation = 1 << 26, MostShortDeviation = MostDeviation / 2;

    private const double MostStepsOfClip = 1L << 40;

    private readonly Lock _lock = new();
    private readonly RandomBytes _random;
    private readonly NoiseAhead _noise;
    private readonly WholeSteps _wholeSteps;
    private readonly float _mean;
    private readonly bool _isShort;
    private readonly long _parameters, _mostSteps;
    private double[]? _sums;
    private bool _isOpen, _hasSums, _isDisposed;
    private long _steps;

    /// <param name="privacy">What the run promises.</param>
    /// <param name="examples">Number of examples at the site.</param>
    /// <param name="parameters">Number of parameters.</param>
    /// <param name="steps">How many gradients may be computed.</param>
    /// <param name="random">Where random bytes come from, by purpose.</param>
    public ExampleShield(RunPrivacy privacy, int examples, long parameters, long steps, Func<string, RandomBytes> random)
    {
        double rate = privacy.BatchRate ?? throw new InvalidOperationException("The run does not hide examples."), root = Math.Sqrt(parameters);
        (_parameters, _mostSteps, Clip) = (parameters, steps, privacy.Policy.Clip);
        double step = Math.ScaleB(1, (int)Math.Floor(Math.Log2(StepMargin * Clip / root)));
        while (step * MostStepsOfClip > Clip && DeviationAt(step) < WideNoise.Least) step /= 2;
        while (step < Clip && DeviationAt(step) > MostDeviation) step *= 2;
        if (DeviationAt(step) > MostDeviation) throw WideNoise.TooWide(DeviationAt(step), "privacy.noiseMultiplier");
        (_wholeSteps, _mean) = (new WholeSteps((float)(1 / step)), (float)(step / (rate * examples)));
        _isShort = MostTogether * Clip * (1 + RoundingMargin) / step <= WholeSteps.MostShort && DeviationAt(step) <= MostShortDeviation;
        _random = random("batches");
        Batches = new PoissonBatches(examples, rate, _random);
        _noise = new NoiseAhead(DeviationAt(step), parameters, steps, lane => random($"noise {lane}"));

        // Of what one example changes of the rounded sum, in steps.
        double DeviationAt(double step) => privacy.NoiseMultiplier * (Clip * (1 + RoundingMargin) / step + root);
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

    /// <summary>Begins a batch. One that was begun and not given out is forgotten.</summary>
    /// <exception cref="InvalidOperationException">There were as many as the task has steps.</exception>
    public void Begin()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_steps == _mostSteps) throw new InvalidOperationException($"The strategy wants more gradients than the task has steps, {_mostSteps}, for which the site's privacy ledger was told the cost.");
            _steps++;
            (_isOpen, _hasSums) = (true, false);
        }
    }

    /// <summary>Adds the sum of a part of the batch, in whole steps: what is missing in one part leaves the others as they are, to the last bit.</summary>
    /// <param name="part">The sum of clipped gradients of at most <see cref="MostTogether"/> examples, each formed by itself.</param>
    public void Add(FlatVector part)
    {
        lock (_lock)
        {
            RequireOpen();
            AddToSums(part);
        }
    }

    /// <summary>Gives out the mean over the expected batch, with noise that no other batch has.</summary>
    /// <param name="gradients">The sum of the batch's last part, as in <see cref="Add"/>; receives the mean.</param>
    public void Release(FlatVector gradients)
    {
        lock (_lock)
        {
            RequireOpen();
            _isOpen = false;
            bool isShort = _isShort && !_hasSums;
            if (!isShort) AddToSums(gradients);
            int count;
            for (long offset = 0; offset < _parameters; offset += count)
            {
                ReadOnlySpan<int> noise = _noise.Take((int)Math.Min(VectorBlocks.BlockLength, _parameters - offset));
                count = noise.Length;
                if (isShort) _wholeSteps.FinishShort(gradients.Slice(offset, count), noise, _mean);
                else WholeSteps.Finish(_sums.AsSpan((int)offset, count), noise, _mean, gradients.Slice(offset, count));
            }
        }
    }

    /// <summary>Wipes what is left of sums, noise and random bytes.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            _noise.Dispose();
            _random.Dispose();
            if (_sums is not null) Array.Clear(_sums);
        }
    }

    private void AddToSums(FlatVector part)
    {
        _sums ??= new double[_parameters];
        foreach ((long offset, int count) in VectorBlocks.Of(_parameters))
        {
            Span<double> sums = _sums.AsSpan((int)offset, count);
            if (!_hasSums) sums.Clear();
            _wholeSteps.Add(part.Slice(offset, count), sums);
        }

        _hasSums = true;
    }

    private void RequireOpen()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (!_isOpen) throw new InvalidOperationException("No batch was begun.");
    }
}
