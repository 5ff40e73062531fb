using System.Collections.Concurrent;
using FedCore.Privacy;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Rdp;
using FedCore.Privacy.Clipping;
using FedCore.Rounds.Selection;
using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Ring;
using FedCore.Updates;

namespace FedCore.Rounds.Privacy;

/// <summary>What a run's <c>privacy</c> section comes to: the noise of its rounds, what they cost, and against whom that holds. It follows from the definition alone.</summary>
public sealed class RunPrivacy
{
    // The accountants of noise that is drawn add a little to what it was calibrated for.
    private const double Margin = 1 + 1e-6;

    private readonly RunDefinition _run;
    private readonly Lazy<double> _noiseMultiplier;
    private readonly ConcurrentDictionary<(PrivacyEvent Cost, long Count), (double Epsilon, AccountantKind Accountant)> _known = new();

    internal RunPrivacy(RunDefinition run)
    {
        _run = run;
        Policy = run.Privacy!;
        Mechanism = Policy.Mechanism
            ?? (Policy.Unit == PrivacyUnit.Example ? PrivacyMechanism.Site : run.SecureAggregation is null ? PrivacyMechanism.Central : PrivacyMechanism.Distributed);

        // To six places, up: clients on other machines, whose logarithms differ in the last digit, come to the same.
        _noiseMultiplier = new Lazy<double>(() => Policy.NoiseMultiplier ?? Math.Ceiling(1e6 * Margin * SupportedKinds.Min(kind => Smallest(kind))) / 1e6);
    }

    /// <summary>The section.</summary>
    public PrivacyPolicy Policy { get; }

    /// <summary>Who adds the noise.</summary>
    public PrivacyMechanism Mechanism { get; }

    /// <summary>Whether sites protect their examples by themselves, so that what leaves them hides them already; otherwise noise is added to sums of updates.</summary>
    public bool IsAtSites => Mechanism == PrivacyMechanism.Site;

    /// <summary>The probability with which an example is in a batch of a site's training; null where batches are not made so.</summary>
    public double? BatchRate => IsAtSites ? Policy.SamplingRate : null;

    /// <summary>Standard deviation of the noise in a sum over what one contribution changes of it. Where the run says an epsilon instead, the least that keeps it over all rounds.</summary>
    public double NoiseMultiplier => _noiseMultiplier.Value;

    /// <summary>The adversary whom the run's own epsilon is about.</summary>
    public PrivacyAdversary Against => Mechanism == PrivacyMechanism.Central ? PrivacyAdversary.Recipients : PrivacyAdversary.Aggregator;

    /// <summary>The probability with which a client takes part in a round, hidden from those who get the model; 1 where nothing rests on it.</summary>
    public double SamplingRate => Policy.Amplification && _run.Rounds.Cohort is PoissonSelection poisson ? poisson.Rate : 1;

    /// <summary>How many clients the mean is over, whoever comes: the size that a cohort has in the mean.</summary>
    /// <param name="population">Number of clients.</param>
    /// <returns>The number, above 0.</returns>
    public double ExpectedCohort(long population) => _run.Rounds.Cohort is PoissonSelection poisson ? poisson.Rate * population : _run.Rounds.Cohort.MostWanted(population);

    /// <summary>Why the run's delta promises too little for so many; null where it does not.</summary>
    /// <param name="unit">What they are.</param>
    /// <param name="count">Number of clients, or of the examples of one.</param>
    /// <returns>The reason, which begins with <c>delta</c>; null as well where the run protects others.</returns>
    public string? WarningFor(PrivacyUnit unit, long count) => unit == Policy.Unit ? PrivacyNumbers.DeltaWarning(Policy.Delta, count) : null;

    /// <summary>What a client sends beside its weight and the change of the model.</summary>
    internal IEnumerable<Section> Sections => Policy.AdaptiveClip is null ? [] : [new Section(Section.Unclipped, SectionRole.Indicator, 1)];

    /// <summary>The clip of the round behind some others.</summary>
    /// <param name="rounds">The receipts of the rounds so far.</param>
    internal double ClipBehind(IReadOnlyList<RoundReceipt> rounds) => rounds.LastOrDefault(round => round.Privacy?.NextClip is not null)?.Privacy!.NextClip ?? Policy.Clip;

    /// <summary>The clip of the round behind one.</summary>
    /// <param name="clip">The round's own clip.</param>
    /// <param name="sum">The noisy sum.</param>
    /// <param name="population">Number of clients.</param>
    /// <returns>The clip; null where it does not adapt.</returns>
    internal double? ClipBehind(double clip, UpdateSum sum, long population) =>
        Policy.AdaptiveClip?.Next(clip, sum.Scalar(Section.Unclipped) / ExpectedCohort(population) + 0.5);

    /// <summary>The noise of a sum of so many clients.</summary>
    /// <exception cref="FedCoreException">Counting the clipped would cost as much as the run may, or more (<c>privacy.noise-multiplier</c>).</exception>
    internal RingNoiseOptions NoiseFor(int clients)
    {
        int sharers = Mechanism == PrivacyMechanism.Central ? 0 : HonestOf(clients, _run.SecureAggregation!.LeastOf(clients));
        if (Policy.AdaptiveClip is not { } adaptive) return new RingNoiseOptions(NoiseMultiplier, sharers);
        double count = adaptive.CountNoiseFor(clients);
        return new RingNoiseOptions(AdaptiveClip.ValueNoiseMultiplier(NoiseMultiplier, count), sharers) { CountNoise = count };
    }

    /// <summary>How many of those in a secure sum are honest, when as many as the sum withstands are the adversary's: at least 1.</summary>
    /// <param name="clients">Clients that were invited to it.</param>
    /// <param name="survivors">Clients that are in it.</param>
    internal int HonestOf(int clients, int survivors)
    {
        SecureAggregationPolicy secure = _run.SecureAggregation!;
        int corrupt = clients < GraphRule.LeastSparse ? (clients - 1) / 3 : (int)Math.Ceiling(secure.AdversarialRate * clients);
        return Math.Max(1, survivors - corrupt);
    }

    /// <summary>What a round costs against somebody; null where nothing bounds it.</summary>
    /// <param name="adversary">The adversary.</param>
    /// <param name="noise">The noise in the sum, or what the sites do.</param>
    internal PrivacyEvent? CostOf(PrivacyAdversary adversary, PrivacyEvent noise) => (adversary, Mechanism) switch
    {
        _ when !Protects(adversary) => null,
        (PrivacyAdversary.Recipients, _) when SamplingRate < 1 => new PoissonSampledEvent(SamplingRate, noise),
        _ => noise,
    };

    /// <summary>What a round costs against the adversary whom the run's own epsilon is about, as it was planned.</summary>
    public PrivacyEvent PlannedCost => CostOf(Against, PlannedEvent(NoiseMultiplier / Margin))!;

    /// <summary>What a site spends that trains so many steps.</summary>
    /// <param name="steps">Steps, at least 1.</param>
    /// <returns>The event, against everybody outside the site.</returns>
    public PrivacyEvent CostOfSteps(long steps) => StepsWith(NoiseMultiplier / Margin, steps);

    /// <summary>Whether what an adversary learns of a client depends on the rounds in which it took part alone, since the adversary may know them.</summary>
    internal bool KnowsCohorts(PrivacyAdversary adversary) => adversary == PrivacyAdversary.Aggregator || SamplingRate == 1;

    /// <summary>What was spent against somebody.</summary>
    /// <param name="adversary">The adversary.</param>
    /// <param name="spending">What was reserved.</param>
    /// <param name="more">Rounds beyond it, in which the client is that was in most.</param>
    /// <returns>Epsilon and who shows it; null where nothing bounds it.</returns>
    internal (double Epsilon, AccountantKind Accountant)? SpentBy(PrivacyAdversary adversary, PrivacySpending spending, int more = 0) =>
        EpsilonOf(adversary, (KnowsCohorts(adversary) ? spending.MostParticipations : spending.Sums) + more);

    /// <summary>Whether anything is promised against somebody.</summary>
    /// <param name="adversary">The adversary.</param>
    /// <returns>False for an aggregator that adds the noise itself.</returns>
    public bool Protects(PrivacyAdversary adversary) => adversary != PrivacyAdversary.Aggregator || Mechanism != PrivacyMechanism.Central;

    /// <summary>Sees that the noise which is going to be drawn protects as much as the run promises.</summary>
    /// <param name="noise">The noise.</param>
    /// <exception cref="InvalidOperationException">It does not.</exception>
    public void Require(PrivacyEvent noise)
    {
        ArgumentNullException.ThrowIfNull(noise);
        if (IsAtSites) return;
        if (RdpAccountant.EquivalentNoiseMultiplier(noise) < NoiseMultiplier / Margin)
            throw new InvalidOperationException($"The noise would be {noise}, which is less than a noise multiplier of {NoiseMultiplier} promises.");
    }

    /// <summary>Whether another round would spend more than the run may.</summary>
    internal bool IsSpent(PrivacySpending spending) => Policy.Epsilon is { } epsilon && SpentBy(Against, spending, more: 1) is { } projected && projected.Epsilon > epsilon;

    /// <summary>What a receipt says of a round.</summary>
    /// <param name="spending">What was reserved so far, this round with it.</param>
    /// <param name="noise">The round's noise.</param>
    /// <param name="isSimulated">Whether noise and cohorts come from a seed.</param>
    /// <param name="clip">The round's clip.</param>
    internal PrivacyReceipt ReceiptOf(PrivacySpending spending, PrivacyEvent noise, bool isSimulated, double clip) => new()
    {
        Unit = Policy.Unit,
        Relation = Policy.Relation,
        Mechanism = Mechanism,
        Clip = clip,
        NoiseMultiplier = NoiseMultiplier,
        Delta = Policy.Delta,
        Noise = noise,
        Spent = [.. Enum.GetValues<PrivacyAdversary>().Select(adversary => SpentBy(adversary, spending) is { } spent
            ? new PrivacySpent(adversary, double.IsFinite(spent.Epsilon) ? spent.Epsilon : null, spent.Accountant, RestsOn(adversary, isSimulated))
            : new PrivacySpent(adversary, null, null, "nothing: the aggregator adds the noise, and sees the sum before"))],
    };

    private string RestsOn(PrivacyAdversary adversary, bool isSimulated)
    {
        string trust = (Mechanism, adversary) switch
        {
            (PrivacyMechanism.Site, _) => FormattableString.Invariant($"each site adds the noise to every step of its training, whose batches it draws in secret, each example with probability {BatchRate}, and nobody has more than one example"),
            (PrivacyMechanism.Central, _) => "the aggregator is trusted to add the noise and to show nobody but the model",
            _ => "no more clients collude than a secure sum withstands, and each honest one adds its noise",
        };
        string sampling = KnowsCohorts(adversary)
            ? IsAtSites ? "each site counts the rounds in which it was asked" : "each client counts the rounds in which it was asked"
            : FormattableString.Invariant($"each client is asked with probability {SamplingRate}, in secret, and neither cohorts nor their sizes are shown");
        return $"{trust}; {sampling}{(isSimulated ? "; noise and cohorts of this simulation come from its seed and protect nobody" : "")}";
    }

    /// <summary>What rounds cost at most: a client may be in every one of them.</summary>
    /// <param name="adversary">Against whom.</param>
    /// <param name="rounds">How many rounds.</param>
    /// <returns>Epsilon; infinite where nothing bounds it.</returns>
    public double PlannedEpsilon(PrivacyAdversary adversary, int rounds) => EpsilonOf(adversary, rounds)?.Epsilon ?? double.PositiveInfinity;

    /// <summary>How many rounds the run's epsilon allows.</summary>
    /// <returns>The number; as many as the run has where it has no epsilon.</returns>
    public int AffordableRounds() => Policy.Epsilon is not { } epsilon
        ? _run.Rounds.Count
        : (int)SupportedKinds.Max(kind => Calibration.Count(CostOf(Against, PlannedEvent(NoiseMultiplier / Margin))!, () => PrivacyAccountant.Create(kind, Policy.Relation), epsilon, Policy.Delta, _run.Rounds.Count));

    // Against the aggregator, noise of several clients is added up by Renyi divergences alone.
    private IEnumerable<AccountantKind> Kinds => Policy.Accountant is { } chosen ? [chosen] : Mechanism == PrivacyMechanism.Distributed ? [AccountantKind.Rdp] : [AccountantKind.Pld, AccountantKind.Rdp];

    private IEnumerable<AccountantKind> SupportedKinds => Kinds.Where(kind => PrivacyAccountant.Create(kind, Policy.Relation).Supports(CostOf(Against, PlannedEvent(1))!));

    // No sum has less noise than the run's. The same question is asked again and again while a run goes on.
    private (double Epsilon, AccountantKind Accountant)? EpsilonOf(PrivacyAdversary adversary, long count)
    {
        if (CostOf(adversary, PlannedEvent(NoiseMultiplier / Margin)) is not { } cost) return null;
        return _known.GetOrAdd((cost, count), _ =>
        {
            (double Epsilon, AccountantKind Accountant) best = (double.PositiveInfinity, AccountantKind.Rdp);
            foreach (AccountantKind kind in SupportedKinds)
            {
                PrivacyAccountant accountant = PrivacyAccountant.Create(kind, Policy.Relation);
                accountant.Record(cost, count);
                double epsilon = accountant.Epsilon(Policy.Delta);
                if (epsilon < best.Epsilon) best = (epsilon, kind);
            }

            return best;
        });
    }

    private double Smallest(AccountantKind kind) => Calibration.NoiseMultiplier(
        noise => CostOf(Against, PlannedEvent(noise))!.Times(_run.Rounds.Count), () => PrivacyAccountant.Create(kind, Policy.Relation), PrivacyNumbers.Epsilon(Policy.Epsilon!.Value, "privacy.epsilon"), Policy.Delta);

    // What is done to the contributions in a round.
    private PrivacyEvent PlannedEvent(double noiseMultiplier) => BatchRate is { } rate ? StepsWith(noiseMultiplier, _run.Training.StepsAt(rate)) : new GaussianEvent(noiseMultiplier);

    private RepeatedEvent StepsWith(double noiseMultiplier, long steps)
    {
        var step = new GaussianEvent(noiseMultiplier);
        return (BatchRate is { } rate and < 1 ? new PoissonSampledEvent(rate, step) : (PrivacyEvent)step).Times(steps);
    }
}
