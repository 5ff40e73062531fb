using System.Diagnostics.CodeAnalysis;
using FedCore.Privacy.Sampling;

namespace FedCore.Training.Privacy;

/// <summary>
/// Noise for one gradient after the other, each number given out once. A thread of its own draws it while gradients are computed, up to two gradients ahead, where there is a processor for it; what is
/// not drawn when it is wanted, both draw. Pieces come from two lanes in turns, each of which has its own random bytes: whoever draws, the numbers are the same. One thread at a time reads them.
/// </summary>
internal sealed class NoiseAhead : IDisposable
{
    /// <summary>Streams of random bytes that the numbers come from.</summary>
    public const int Lanes = 2;

    /// <summary>Numbers that a lane draws at a time, some 10 microseconds.</summary>
    public const int PieceLength = 1 << 13;

    // Numbers that are drawn ahead at most.
    private const int MostAhead = 1 << 22;

    private readonly Lane[] _lanes;
    private readonly long _total;

    // Whole pieces, one behind the other and around: the number k is at k modulo the length.
    private int[] _ring;
    private bool _isDisposed;

    // How many were given out; and how many of these are in nobody's hands.
    private long _given, _gone;

    // The thread, which rests once there is no room; null where there is one processor. Threads of a pool would go on spinning on the processors of those that work.
    private readonly Thread? _helper;
    private readonly AutoResetEvent _wanted = new(initialState: false);
    private bool _isResting;

    /// <param name="deviation">The deviation of continuous noise that it hides no less than.</param>
    /// <param name="length">How many numbers a gradient has, at least 1.</param>
    /// <param name="gradients">How many gradients there may be.</param>
    /// <param name="random">Random bytes for each lane, which belong to it from now on.</param>
    /// <exception cref="FedCoreException">It is too wide (<c>privacy.noise-multiplier</c>).</exception>
    public NoiseAhead(double deviation, long length, long gradients, Func<int, RandomBytes> random)
    {
        _lanes = [.. Enumerable.Range(0, Lanes).Select(lane => new Lane(lane, deviation, random(lane)))];
        _total = gradients > long.MaxValue / length ? long.MaxValue : gradients * length;
        long ahead = Math.Min(_total, Math.Clamp(2 * length, 2 * Lanes * PieceLength, MostAhead));
        _ring = new int[(ahead + PieceLength - 1) / PieceLength * PieceLength];
        if (Environment.ProcessorCount == 1) return;
        _helper = new Thread(Help) { IsBackground = true, Name = "FedCore noise" };
        _helper.Start();
    }

    /// <summary>Gives out the next numbers, where they were drawn.</summary>
    /// <param name="most">How many are wanted, at least 1.</param>
    /// <returns>The numbers, at least 1 and at most <paramref name="most"/>, which are there until more are taken.</returns>
    /// <exception cref="InvalidOperationException">All gradients have theirs.</exception>
    public ReadOnlySpan<int> Take(int most)
    {
        Interlocked.Exchange(ref _gone, _given);
        if (IsWorthWaking && Volatile.Read(ref _isResting) && Interlocked.Exchange(ref _isResting, false)) _wanted.Set();
        (long piece, long begun) = Math.DivRem(_given, PieceLength);
        for (var wait = new SpinWait(); ;)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_given == _total) throw new InvalidOperationException("There is no more noise than for the gradients that there may be.");
            if (_lanes[piece % Lanes].Next > piece) break;
            if (!TryDraw()) wait.SpinOnce(sleep1Threshold: -1);
        }

        ReadOnlySpan<int> numbers = _ring.AsSpan((int)(_given % _ring.Length), (int)Math.Min(most, Math.Min(PieceLength - begun, _total - _given)));
        _given += numbers.Length;
        return numbers;
    }

    /// <summary>Wipes the numbers and what is left of the random bytes.</summary>
    public void Dispose()
    {
        if (_isDisposed) return;

        // Who is drawing stops behind its piece.
        Volatile.Write(ref _isDisposed, true);
        _wanted.Set();
        _helper?.Join();
        _wanted.Dispose();
        Array.Clear(_ring);
        _ring = [];
        foreach (Lane lane in _lanes) lane.Dispose();
    }

    // Waking up for each piece would cost more than it helps: a quarter is free.
    private bool IsWorthWaking
    {
        get
        {
            long drawn = Math.Min(_lanes[0].Next, _lanes[1].Next) * PieceLength;
            return drawn < _total && drawn - Volatile.Read(ref _gone) <= _ring.Length / 4 * 3;
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "On this thread nobody would hear of it. Who wants the numbers draws them then, and is told.")]
    private void Help()
    {
        try
        {
            while (!Volatile.Read(ref _isDisposed))
            {
                if (TryDraw()) continue;
                Interlocked.Exchange(ref _isResting, true);
                if (IsWorthWaking) Thread.Yield();
                else _wanted.WaitOne();
                Volatile.Write(ref _isResting, false);
            }
        }
        catch (Exception)
        {
            // None of the piece was drawn.
        }
    }

    private bool HasRoom(Lane lane) => lane.Next * PieceLength < _total && (lane.Next + 1) * PieceLength - Volatile.Read(ref _gone) <= _ring.Length;

    // A piece of the lane whose piece comes first, or else of the other.
    private bool TryDraw()
    {
        int first = _lanes[0].Next < _lanes[1].Next ? 0 : 1;
        return TryDraw(_lanes[first]) || TryDraw(_lanes[1 - first]);
    }

    // The lane's next piece, where there is room for it and no other thread draws it.
    private bool TryDraw(Lane lane)
    {
        if (!HasRoom(lane) || !lane.TryEnter()) return false;
        try
        {
            if (Volatile.Read(ref _isDisposed) || !HasRoom(lane)) return false;
            long start = lane.Next * PieceLength;
            lane.Draw(_ring.AsSpan((int)(start % _ring.Length), (int)Math.Min(PieceLength, _total - start)));
            return true;
        }
        finally
        {
            lane.Leave();
        }
    }

    // Every second piece, by one thread at a time.
    private sealed class Lane(int first, double deviation, RandomBytes random) : IDisposable
    {
        private readonly DiscreteGaussianSampler _sampler = WideNoise.Sampler(deviation, random);
        private long _next = first;
        private int _isIn;

        /// <summary>The first of its pieces that is not drawn.</summary>
        public long Next => Volatile.Read(ref _next);

        public bool TryEnter() => Volatile.Read(ref _isIn) == 0 && Interlocked.CompareExchange(ref _isIn, 1, 0) == 0;

        public void Leave() => Volatile.Write(ref _isIn, 0);

        public void Draw(Span<int> piece)
        {
            _sampler.Fill(piece);
            Volatile.Write(ref _next, _next + Lanes);
        }

        public void Dispose() => random.Dispose();
    }
}
