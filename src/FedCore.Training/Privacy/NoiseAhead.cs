using System.Diagnostics.CodeAnalysis;
using FedCore.Privacy.Sampling;

namespace FedCore.Training.Privacy;

/// <summary>
/// Noise for one gradient after the other, each number given out once. Another thread draws it while gradients are computed, up to two gradients ahead, where there is a processor for it; what that has
/// not drawn when it is wanted, who wants it draws. Whoever draws, the numbers follow each other in the same order. One thread at a time takes them.
/// </summary>
internal sealed class NoiseAhead : IThreadPoolWorkItem, IDisposable
{
    // Numbers that are drawn at a time, some 20 microseconds; and that are drawn ahead at most.
    private const int PieceLength = 1 << 14, MostAhead = 1 << 22;

    private readonly RandomBytes _random;
    private readonly DiscreteGaussianSampler _sampler;
    private readonly long _total;

    // Whole pieces, one behind the other and around: the number k is at k modulo the length.
    private int[] _ring;

    // How many numbers were drawn, by one thread at a time, and how many taken.
    private long _drawn, _taken;
    private int _isIn, _isAsked;
    private bool _isDisposed;

    /// <param name="deviation">The deviation of continuous noise that it hides no less than.</param>
    /// <param name="length">How many numbers a gradient has, at least 1.</param>
    /// <param name="gradients">How many gradients there may be.</param>
    /// <param name="random">Random bytes, which belong to it from now on.</param>
    /// <exception cref="FedCoreException">It is too wide (<c>privacy.noise-multiplier</c>).</exception>
    public NoiseAhead(double deviation, long length, long gradients, RandomBytes random)
    {
        (_random, _sampler) = (random, WideNoise.Sampler(deviation, random));
        _total = gradients > long.MaxValue / length ? long.MaxValue : gradients * length;
        long ahead = Math.Min(_total, Math.Clamp(2 * length, 2 * PieceLength, MostAhead));
        _ring = new int[(ahead + PieceLength - 1) / PieceLength * PieceLength];
        AskForHelp();
    }

    /// <summary>Takes the next numbers.</summary>
    /// <param name="numbers">Receives them.</param>
    /// <exception cref="InvalidOperationException">All gradients have theirs.</exception>
    public void Take(Span<int> numbers)
    {
        var wait = new SpinWait();
        while (!numbers.IsEmpty)
        {
            ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed), this);
            if (_taken == _total) throw new InvalidOperationException("There is no more noise than for the gradients that there may be.");
            long ready = Volatile.Read(ref _drawn) - _taken;
            if (ready == 0)
            {
                if (!TryDraw()) wait.SpinOnce(sleep1Threshold: -1);
                continue;
            }

            int place = (int)(_taken % _ring.Length), count = (int)Math.Min(ready, Math.Min(numbers.Length, _ring.Length - place));
            _ring.AsSpan(place, count).CopyTo(numbers);
            numbers = numbers[count..];
            Volatile.Write(ref _taken, _taken + count);
        }

        AskForHelp();
    }

    /// <summary>Draws as long as there is room, unless another thread does.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "On this thread nobody would hear of it. Who wants the numbers draws them then, and is told.")]
    public void Execute()
    {
        Volatile.Write(ref _isAsked, 0);
        try
        {
            while (TryDraw()) ;
        }
        catch (Exception)
        {
            // None of the piece was drawn.
        }
    }

    /// <summary>Wipes the numbers and what is left of the random bytes.</summary>
    public void Dispose()
    {
        // Who is drawing stops behind its piece.
        Volatile.Write(ref _isDisposed, true);
        var wait = new SpinWait();
        while (!TryEnter()) wait.SpinOnce(sleep1Threshold: -1);
        Array.Clear(_ring);
        _ring = [];
        _random.Dispose();
        Leave();
    }

    private bool HasRoom(long drawn) => drawn < _total && drawn + PieceLength - Volatile.Read(ref _taken) <= _ring.Length;

    // The next piece, where there is room for it and no other thread draws it.
    private bool TryDraw()
    {
        if (!TryEnter()) return false;
        try
        {
            if (Volatile.Read(ref _isDisposed) || !HasRoom(_drawn)) return false;
            int count = (int)Math.Min(PieceLength, _total - _drawn);
            _sampler.Fill(_ring.AsSpan((int)(_drawn % _ring.Length), count));
            Volatile.Write(ref _drawn, _drawn + count);
            return true;
        }
        finally
        {
            Leave();
        }
    }

    // Once, where the help that was asked for has not come yet.
    private void AskForHelp()
    {
        if (Environment.ProcessorCount > 1 && HasRoom(Volatile.Read(ref _drawn)) && Interlocked.Exchange(ref _isAsked, 1) == 0) ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    private bool TryEnter() => Interlocked.CompareExchange(ref _isIn, 1, 0) == 0;

    private void Leave() => Volatile.Write(ref _isIn, 0);
}
