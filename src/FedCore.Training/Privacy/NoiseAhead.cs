using System.Diagnostics.CodeAnalysis;
using FedCore.Privacy.Sampling;

namespace FedCore.Training.Privacy;

/// <summary>
/// Noise for one gradient after the other, drawn by another thread while the gradient is computed, where there is a processor for it. What that has not drawn when the noise is wanted, who wants it
/// draws. Whoever draws, the numbers follow each other in the same order.
/// </summary>
internal sealed class NoiseAhead : IThreadPoolWorkItem, IDisposable
{
    // Numbers that are drawn at a time: some 20 microseconds.
    private const int PieceLength = 1 << 14;

    private readonly RandomBytes _random;
    private readonly DiscreteGaussianSampler _sampler;
    private readonly int[] _numbers;

    // How many numbers of the gradient's are drawn; it changes only where one thread is in.
    private int _drawn;
    private int _isIn;
    private bool _isDisposed;

    /// <param name="deviation">The deviation of continuous noise that it hides no less than.</param>
    /// <param name="length">How many numbers a gradient has.</param>
    /// <param name="random">Random bytes, which belong to it from now on.</param>
    /// <exception cref="FedCoreException">It is too wide (<c>privacy.noise-multiplier</c>).</exception>
    public NoiseAhead(double deviation, long length, RandomBytes random)
    {
        (_random, _sampler, _numbers) = (random, WideNoise.Sampler(deviation, random), new int[length]);
        AskForHelp();
    }

    /// <summary>Turns from one gradient's numbers to the next one's. The earlier must not be wanted any more.</summary>
    public void TurnToNext()
    {
        Enter();
        Volatile.Write(ref _drawn, 0);
        Leave();
        AskForHelp();
    }

    /// <summary>Numbers for a part of the gradient, valid until the next gradient is turned to.</summary>
    /// <param name="offset">Where the part begins.</param>
    /// <param name="count">How long it is.</param>
    public ReadOnlySpan<int> Take(long offset, int count)
    {
        var wait = new SpinWait();
        while (Volatile.Read(ref _drawn) < offset + count)
        {
            ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed), this);
            if (!TryDraw()) wait.SpinOnce(sleep1Threshold: -1);
        }

        return _numbers.AsSpan((int)offset, count);
    }

    /// <summary>Draws until all is drawn, or another thread does.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "On this thread nobody would hear of it. Who wants the numbers draws them then, and is told.")]
    public void Execute()
    {
        try
        {
            while (TryDraw())
                if (Volatile.Read(ref _drawn) == _numbers.Length) return;
        }
        catch (Exception)
        {
            // None of the piece was drawn.
        }
    }

    /// <summary>Wipes the numbers and what is left of the random bytes.</summary>
    public void Dispose()
    {
        Enter();
        _isDisposed = true;
        _drawn = 0;
        Array.Clear(_numbers);
        _random.Dispose();
        Leave();
    }

    // The next piece, unless another thread draws it.
    private bool TryDraw()
    {
        if (Interlocked.CompareExchange(ref _isIn, 1, 0) != 0) return false;
        try
        {
            int count = Math.Min(PieceLength, _numbers.Length - _drawn);
            if (count == 0 || _isDisposed) return false;
            _sampler.Fill(_numbers.AsSpan(_drawn, count));
            Volatile.Write(ref _drawn, _drawn + count);
            return true;
        }
        finally
        {
            Leave();
        }
    }

    private void AskForHelp()
    {
        if (Environment.ProcessorCount > 1) ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    private void Enter()
    {
        var wait = new SpinWait();
        while (Interlocked.CompareExchange(ref _isIn, 1, 0) != 0) wait.SpinOnce(sleep1Threshold: -1);
    }

    private void Leave() => Volatile.Write(ref _isIn, 0);
}
