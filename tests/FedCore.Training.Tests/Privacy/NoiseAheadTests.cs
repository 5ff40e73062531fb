using FedCore.Privacy.Sampling;
using FedCore.Training.Privacy;

namespace FedCore.Training.Tests.Privacy;

/// <summary>Noise that another thread draws.</summary>
public class NoiseAheadTests
{
    private const double Deviation = 1000;

    // Whoever draws them: each number is given out once, in the order in which one thread would have drawn it. Gradients of a part of a piece, of one, and of several, taken at once or after a while;
    // and one that is longer than what is drawn ahead.
    [Theory]
    [InlineData(5, 20_000, 0)]
    [InlineData(64, 20_000, 20)]
    [InlineData(16_384, 1000, 0)]
    [InlineData(100_003, 200, 0)]
    [InlineData(100_003, 200, 2000)]
    [InlineData(5_000_001, 2, 0)]
    public void Each_number_is_given_out_once_and_in_order(int length, int gradients, int spins)
    {
        using var ahead = new NoiseAhead(Deviation, length, gradients, Random());
        var alone = new DiscreteGaussianSampler((long)DiscreteGaussianSampler.VarianceFor(Deviation * Deviation), 1, Random());
        int[] expected = new int[length * gradients], taken = new int[expected.Length];
        for (int first = 0; first < expected.Length; first += 1 << 14) alone.Fill(expected.AsSpan(first, Math.Min(1 << 14, expected.Length - first)));
        for (int start = 0; start < taken.Length; start += length)
        {
            Thread.SpinWait(spins);
            for (int first = 0; first < length; first += 4096) ahead.Take(taken.AsSpan(start + first, Math.Min(4096, length - first)));
        }

        Assert.True(expected.AsSpan().SequenceEqual(taken));
        Assert.Throws<InvalidOperationException>(() => ahead.Take(new int[1]));
    }

    // Zeros would be no noise.
    [Fact]
    public void There_are_none_after_they_are_wiped()
    {
        var ahead = new NoiseAhead(Deviation, 100, 10, Random());
        ahead.Take(new int[100]);
        ahead.Dispose();
        Assert.Throws<ObjectDisposedException>(() => ahead.Take(new int[100]));
    }

    // Where there is another thread, it comes upon the fault first, and ends nothing but its help.
    [Fact]
    public void A_fault_of_the_generator_is_told_to_whom_wants_the_numbers()
    {
        var random = new Faulty(5);
        using var ahead = new NoiseAhead(Deviation, 100_000, 10, random);
        if (Environment.ProcessorCount > 1) Assert.True(SpinWait.SpinUntil(() => random.HasFailed, TimeSpan.FromSeconds(30)));
        Assert.Throws<IOException>(() => ahead.Take(new int[100_000]));
    }

    private static SimulationRandomBytes Random() => new(Draw.Stream("ahead"));

    // Fails from some bulk on.
    private sealed class Faulty(int bulks) : RandomBytes
    {
        private readonly SimulationRandomBytes _random = Random();
        private int _bulks;

        public bool HasFailed => Volatile.Read(ref _bulks) > bulks;

        protected override void Fill(Span<byte> bytes)
        {
            if (_bulks++ >= bulks) throw new IOException("The generator is gone.");
            _random.NextBytes(bytes);
        }
    }
}
