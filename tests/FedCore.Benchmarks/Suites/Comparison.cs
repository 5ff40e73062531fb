using FedCore.Benchmarks.Peers;
using FedCore.Training.Tensors;

namespace FedCore.Benchmarks.Suites;

/// <summary>The same work here and in PyTorch, in interleaved pairs.</summary>
/// <param name="Suite">The suite.</param>
/// <param name="Figure">The figure's name.</param>
/// <param name="Name">What the peer calls the work.</param>
/// <param name="Inputs">What both are fed: noise or mnist.</param>
/// <param name="Batch">Examples per step, or the size of a product.</param>
/// <param name="Flops">Multiplications and additions by definition.</param>
/// <param name="Model">What is trained, for the detail; null where the figure's name says it.</param>
internal sealed record Comparison(string Suite, string Figure, string Name, string Inputs, int Batch, double Flops, string? Model = null)
{
    private const int Pairs = 5, Turns = 5;

    /// <summary>Seconds of a turn; longer for steps that take tens of milliseconds.</summary>
    public double Seconds { get; init; } = 0.1;

    /// <summary>Measures, and reports the median of the pairs' ratios.</summary>
    public void Run(Figures figures, TorchPeer torch, Action step)
    {
        Figures.Rate(step, Turns * Seconds);
        torch.Rate(Name, Inputs, Batch, Turns * Seconds);
        var pairs = new List<(double Own, double Peer)>();
        for (int pair = 0; pair < Pairs; pair++)
        {
            // Both take turns, so that they meet the same neighbours.
            (double Own, double Peer) rates = default;
            for (int turn = 0; turn < Turns; turn++)
                rates = (rates.Own + Figures.Rate(step, Seconds) / Turns, rates.Peer + torch.Rate(Name, Inputs, Batch, Seconds) / Turns);
            pairs.Add(rates);
        }

        double own = Figures.Median(pairs.Select(p => p.Own)), peer = Figures.Median(pairs.Select(p => p.Peer));
        figures.Report(Suite, Figure, Figures.Median(pairs.Select(p => p.Own / p.Peer)), "x", new
        {
            microseconds = Math.Round(1e6 / own, 2),
            gflops = Math.Round(own * Flops / 1e9, 1),
            peerMicroseconds = Math.Round(1e6 / peer, 2),
            peerGflops = Math.Round(peer * Flops / 1e9, 1),
            inputs = Inputs,
            model = Model,
            lanes = TileGrid.VectorLength,
            peer = torch.About,
        });
    }
}
