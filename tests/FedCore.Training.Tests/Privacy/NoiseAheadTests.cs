using FedCore.Privacy.Sampling;
using FedCore.Training.Privacy;

namespace FedCore.Training.Tests.Privacy;

/// <summary>Noise that another thread draws.</summary>
public class NoiseAheadTests
{
    private const double Deviation = 1000;

    // Whoever draws them: each number is given out once, in the order in which one thread would have drawn it. Gradients of a part of a piece, of one, and of several, used at once or held for a while;
    // and one that is longer than what is drawn ahead.
    [Theory]
    [InlineData(5, 20_000, 0)]
    [InlineData(64, 20_000, 20)]
    [InlineData(8192, 1000, 0)]
    [InlineData(100_003, 200, 0)]
    [InlineData(100_003, 200, 2000)]
    [InlineData(5_000_001, 2, 0)]
    public void Each_number_is_given_out_once_and_in_order(int length, int gradients, int spins)
    {
        using var ahead = new NoiseAhead(Deviation, length, gradients, Random);
        DiscreteGaussianSampler[] alone = [.. Enumerable.Range(0, NoiseAhead.Lanes).Select(lane => new DiscreteGaussianSampler((long)DiscreteGaussianSampler.VarianceFor(Deviation * Deviation), 1, Random(lane)))];
        int[] expected = new int[length * gradients], taken = new int[expected.Length];
        for (int piece = 0; piece * NoiseAhead.PieceLength < expected.Length; piece++)
        {
            int first = piece * NoiseAhead.PieceLength;
            alone[piece % NoiseAhead.Lanes].Fill(expected.AsSpan(first, Math.Min(NoiseAhead.PieceLength, expected.Length - first)));
        }

        for (int start = 0; start < taken.Length; start += length)
        {
            Fill(ahead, taken.AsSpan(start, length), spins);
        }

        Assert.True(expected.AsSpan().SequenceEqual(taken));
        Assert.Throws<InvalidOperationException>(() => ahead.Take(1));
    }

    // Behind each gradient the other thread draws again, though whoever takes the numbers could.
    [Fact]
    public void The_other_thread_goes_on_when_there_is_room()
    {
        Assert.SkipWhen(Environment.ProcessorCount == 1, "There is no other thread on one processor.");
        var random = new Watched();
        using var ahead = new NoiseAhead(Deviation, 100_000, 10, lane => lane == 0 ? random : Random(lane));
        for (int gradient = 0; gradient < 5; gradient++)
        {
            // Until there is no room left, and the other thread rests: nothing else tells that it does.
            for (int before = -1; before != random.Others; Thread.Sleep(50)) before = random.Others;
            int drawn = random.Others;
            Fill(ahead, new int[100_000]);
            Assert.True(SpinWait.SpinUntil(() => random.Others > drawn, TimeSpan.FromSeconds(30)));
        }
    }

    // Zeros would be no noise.
    [Fact]
    public void There_are_none_after_they_are_wiped()
    {
        var ahead = new NoiseAhead(Deviation, 100, 10, Random);
        Fill(ahead, new int[100]);
        ahead.Dispose();
        Assert.Throws<ObjectDisposedException>(() => ahead.Take(1));
        ahead.Dispose();
    }

    // Where there is another thread, it comes upon the fault first, and ends nothing but its help.
    [Fact]
    public void A_fault_of_the_generator_is_told_to_whom_wants_the_numbers()
    {
        var random = new Faulty(5);
        using var ahead = new NoiseAhead(Deviation, 100_000, 10, lane => lane == 0 ? random : Random(lane));
        if (Environment.ProcessorCount > 1) Assert.True(SpinWait.SpinUntil(() => random.HasFailed, TimeSpan.FromSeconds(30)));
        Assert.Throws<IOException>(() => Fill(ahead, new int[100_000]));
    }

    private static void Fill(NoiseAhead ahead, Span<int> numbers, int spins = 0)
    {
        for (int count; !numbers.IsEmpty; numbers = numbers[count..])
        {
            ReadOnlySpan<int> next = ahead.Take(Math.Min(4096, numbers.Length));
            count = next.Length;
            Thread.SpinWait(spins);
            next.CopyTo(numbers);
        }
    }

    private static SimulationRandomBytes Random(int lane) => new(Draw.Stream($"ahead {lane}"));

    // Fails from some bulk on.
    private sealed class Faulty(int bulks) : RandomBytes
    {
        private readonly SimulationRandomBytes _random = Random(0);
        private int _bulks;

        public bool HasFailed => Volatile.Read(ref _bulks) > bulks;

        protected override void Fill(Span<byte> bytes)
        {
            if (_bulks++ >= bulks) throw new IOException("The generator is gone.");
            _random.NextBytes(bytes);
        }
    }

    // Counts the bulks that other threads draw than the one that made it.
    private sealed class Watched : RandomBytes
    {
        private readonly SimulationRandomBytes _random = Random(0);
        private readonly int _thread = Environment.CurrentManagedThreadId;
        private int _others;

        public int Others => Volatile.Read(ref _others);

        protected override void Fill(Span<byte> bytes)
        {
            if (Environment.CurrentManagedThreadId != _thread) Interlocked.Increment(ref _others);
            _random.NextBytes(bytes);
        }
    }
}
