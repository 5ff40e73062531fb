using System.Collections.Concurrent;
using FedCore.Privacy;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;
using FedCore.Rounds.Selection;

namespace FedCore.Rounds.Privacy;

/// <summary>What the rounds of a run cost, by the noise that they have.</summary>
internal sealed class RunCosts
{
    private readonly RunDefinition _run;
    private readonly PrivacyPolicy _policy;
    private readonly PrivacyMechanism _mechanism;
    private readonly ConcurrentDictionary<string, (double Epsilon, AccountantKind Accountant)> _known = new(StringComparer.Ordinal);

    /// <param name="run">The run.</param>
    /// <param name="mechanism">Who adds the noise.</param>
    public RunCosts(RunDefinition run, PrivacyMechanism mechanism) => (_run, _policy, _mechanism) = (run, run.Privacy!, mechanism);

    /// <summary>The adversary whom the run's own epsilon is about.</summary>
    public PrivacyAdversary Against => _mechanism is PrivacyMechanism.Central or PrivacyMechanism.Tree ? PrivacyAdversary.Recipients : PrivacyAdversary.Aggregator;

    /// <summary>The probability with which a client takes part in a round, hidden from those who get the model; 1 where nothing rests on it.</summary>
    public double ClientRate => _policy.Amplification && _run.Rounds.Cohort is PoissonSelection poisson ? poisson.Rate : 1;

    /// <summary>The probability with which an example is in a batch; null where batches are not drawn so.</summary>
    public double? BatchRate => _mechanism == PrivacyMechanism.Site ? _policy.SamplingRate : null;

    /// <summary>How clients take part, where a tree bounds them.</summary>
    public TreePolicy Tree => _policy.Tree ?? new TreePolicy();

    /// <summary>Whether anything is promised against somebody: an aggregator that adds the noise itself sees the sum before.</summary>
    public bool Protects(PrivacyAdversary adversary) => adversary != PrivacyAdversary.Aggregator || Against == PrivacyAdversary.Aggregator;

    /// <summary>What so many rounds cost of which a client is in every one, or in as many as a tree lets it.</summary>
    /// <param name="adversary">Against whom.</param>
    /// <param name="noiseMultiplier">The noise.</param>
    /// <param name="rounds">How many rounds, at least 0.</param>
    public IReadOnlyList<PrivacyEvent> Of(PrivacyAdversary adversary, double noiseMultiplier, long rounds)
    {
        if (_mechanism != PrivacyMechanism.Tree) return [SampledFor(adversary, RoundWith(noiseMultiplier)).Times(rounds)];
        int every = Tree.RestartEvery ?? int.MaxValue;
        var trees = new List<PrivacyEvent>();
        if (rounds >= every) trees.Add(TreeOf(noiseMultiplier, every).Times(rounds / every));
        if (rounds % every > 0) trees.Add(TreeOf(noiseMultiplier, (int)(rounds % every)));
        return trees;
    }

    /// <summary>What a tree costs.</summary>
    /// <param name="noiseMultiplier">The noise of a node.</param>
    /// <param name="steps">Its rounds, at least 1.</param>
    /// <param name="participations">In how many of them the client was that was in most; null for as many as it may be.</param>
    public TreeAggregationEvent TreeOf(double noiseMultiplier, int steps, long? participations = null) =>
        new(noiseMultiplier, steps, (int)Math.Max(1, Math.Min(participations ?? long.MaxValue, Tree.ParticipationsIn(steps))), Tree.MinimumSeparation);

    /// <summary>What a site spends that trains so many steps.</summary>
    public RepeatedEvent Steps(double noiseMultiplier, long steps)
    {
        var step = new GaussianEvent(noiseMultiplier);
        return (BatchRate is { } rate and < 1 ? new PoissonSampledEvent(rate, step) : (PrivacyEvent)step).Times(steps);
    }

    /// <summary>What is done in a round that costs by itself.</summary>
    public PrivacyEvent RoundWith(double noiseMultiplier) => BatchRate is { } rate ? Steps(noiseMultiplier, _run.Training.StepsAt(rate)) : new GaussianEvent(noiseMultiplier);

    /// <summary>What is done in a round, as somebody sees it who may not know who was in it.</summary>
    public PrivacyEvent SampledFor(PrivacyAdversary adversary, PrivacyEvent happened) => adversary == PrivacyAdversary.Recipients && ClientRate < 1 ? new PoissonSampledEvent(ClientRate, happened) : happened;

    /// <summary>The epsilon of events, and who shows it. The same question is asked again and again while a run goes on.</summary>
    public (double Epsilon, AccountantKind Accountant) Epsilon(IReadOnlyList<PrivacyEvent> events) => _known.GetOrAdd(string.Join('\n', events), _ =>
    {
        (double Epsilon, AccountantKind Accountant) best = (double.PositiveInfinity, AccountantKind.Rdp);
        foreach (AccountantKind kind in KindsFor(events))
        {
            PrivacyAccountant accountant = PrivacyAccountant.Create(kind, _policy.Relation);
            foreach (PrivacyEvent happened in events) accountant.Record(happened);
            double epsilon = accountant.Epsilon(_policy.Delta);
            if (epsilon < best.Epsilon) best = (epsilon, kind);
        }

        return best;
    });

    /// <summary>The smallest noise multiplier that keeps all rounds within an epsilon.</summary>
    public double SmallestNoise(double epsilon) => KindsFor(Of(Against, 1, _run.Rounds.Count)).Min(kind => Calibration.NoiseMultiplier(
        noise => Of(Against, noise, _run.Rounds.Count), () => PrivacyAccountant.Create(kind, _policy.Relation), epsilon, _policy.Delta));

    /// <summary>How many of the run's rounds an epsilon buys.</summary>
    public int Affordable(double noiseMultiplier, double epsilon) =>
        (int)Calibration.Largest(rounds => Epsilon(Of(Against, noiseMultiplier, rounds)).Epsilon <= epsilon, _run.Rounds.Count);

    // Noise of several clients is added up by Renyi divergences alone, and so is noise of few steps, which a ring that somebody chose may have: it is no continuous one.
    private bool IsDivergenceAlone => _mechanism == PrivacyMechanism.Distributed || (_mechanism != PrivacyMechanism.Site && _run.SecureAggregation is { Bits: not null } or { Scale: not null });

    private IEnumerable<AccountantKind> KindsFor(IReadOnlyList<PrivacyEvent> events) =>
        (_policy.Accountant is { } chosen ? (AccountantKind[])[chosen] : IsDivergenceAlone ? [AccountantKind.Rdp] : [AccountantKind.Pld, AccountantKind.Rdp])
        .Where(kind => events.All(PrivacyAccountant.Create(kind, _policy.Relation).Supports));
}
