using FedCore.Privacy;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Rdp;
using FedCore.Privacy.Clipping;
using FedCore.Privacy.Sampling;
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
    private readonly RunCosts _costs;
    private readonly Lazy<double> _noiseMultiplier;

    internal RunPrivacy(RunDefinition run)
    {
        _run = run;
        Policy = run.Privacy!;
        Mechanism = Policy.Mechanism
            ?? (Policy.Unit == PrivacyUnit.Example ? PrivacyMechanism.Site : run.SecureAggregation is null ? PrivacyMechanism.Central : PrivacyMechanism.Distributed);
        _costs = new RunCosts(run, Mechanism);

        // To six places, up: clients on other machines, whose logarithms differ in the last digit, come to the same.
        _noiseMultiplier = new Lazy<double>(() => Policy.NoiseMultiplier ?? Math.Ceiling(1e6 * Margin * _costs.SmallestNoise(PrivacyNumbers.Epsilon(Policy.Epsilon!.Value, "privacy.epsilon"))) / 1e6);
    }

    /// <summary>The section.</summary>
    public PrivacyPolicy Policy { get; }

    /// <summary>Who adds the noise.</summary>
    public PrivacyMechanism Mechanism { get; }

    /// <summary>Whether sites protect their examples by themselves, so that what leaves them hides them already; otherwise noise is added to sums of updates.</summary>
    public bool IsAtSites => Mechanism == PrivacyMechanism.Site;

    /// <summary>How clients take part where the noise is in trees; null where it is not.</summary>
    public TreePolicy? Tree => Mechanism == PrivacyMechanism.Tree ? _costs.Tree : null;

    /// <summary>The probability with which an example is in a batch of a site's training; null where batches are not made so.</summary>
    public double? BatchRate => _costs.BatchRate;

    /// <summary>Standard deviation of the noise in a sum over what one contribution changes of it. Where the run says an epsilon instead, the least that keeps it over all rounds.</summary>
    public double NoiseMultiplier => _noiseMultiplier.Value;

    /// <summary>The adversary whom the run's own epsilon is about.</summary>
    public PrivacyAdversary Against => _costs.Against;

    /// <summary>The probability with which a client takes part in a round, hidden from those who get the model; 1 where nothing rests on it.</summary>
    public double SamplingRate => _costs.ClientRate;

    /// <summary>Whether nobody who gets the model may know who took part, or how many: then no task says so either.</summary>
    public bool HidesCohorts => SamplingRate < 1;

    /// <summary>Whom what is planned is about, in words: the one on whom most is spent.</summary>
    public string PlannedFor => IsAtSites ? "an example whose site is in every round" : Tree is null ? "a client that is in every round" : "a client that is in every round that it may be in";

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
        if (Tree is { } tree) return new RingNoiseOptions(NoiseMultiplier, 0) { MostAtOnce = NoiseTree.MostBetween(Math.Min(tree.RestartEvery ?? int.MaxValue, _run.Rounds.Count)) };
        int sharers = Mechanism == PrivacyMechanism.Central ? 0 : HonestOf(clients, _run.SecureAggregation!.LeastOf(clients));
        if (Policy.AdaptiveClip is not { } adaptive) return new RingNoiseOptions(NoiseMultiplier, sharers);
        double count = adaptive.CountNoiseFor(clients, NoiseMultiplier);
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

    /// <summary>What a round costs against the adversary whom the run's own epsilon is about, where rounds cost each by itself.</summary>
    /// <param name="noise">The noise in the sum, or what the sites do.</param>
    internal PrivacyEvent CostOf(PrivacyEvent noise) => _costs.SampledFor(Against, noise);

    /// <summary>What so many rounds cost against the adversary whom the run's own epsilon is about, as it was planned: of which a client is in every one that it may be in.</summary>
    /// <param name="rounds">How many rounds, at least 1.</param>
    /// <returns>The events.</returns>
    public IReadOnlyList<PrivacyEvent> PlannedCosts(int rounds) => _costs.Of(Against, NoiseMultiplier / Margin, rounds);

    /// <summary>What is done in a round where every site protects its examples by itself.</summary>
    internal PrivacyEvent SiteRound => _costs.RoundWith(NoiseMultiplier / Margin);

    /// <summary>What a tree of noise costs that begins with a round, as if it were gone to its end.</summary>
    /// <param name="round">The round.</param>
    internal TreeAggregationEvent TreeFrom(int round) => _costs.TreeOf(NoiseMultiplier / Margin, Math.Min(Tree!.RestartEvery ?? int.MaxValue, _run.Rounds.Count - round + 1));

    /// <summary>What a site spends that trains so many steps.</summary>
    /// <param name="steps">Steps, at least 1.</param>
    /// <returns>The event, against everybody outside the site.</returns>
    public PrivacyEvent CostOfSteps(long steps) => _costs.Steps(NoiseMultiplier / Margin, steps);

    /// <summary>Whether what an adversary learns of a client depends on the rounds in which it took part alone, since the adversary may know them.</summary>
    internal bool KnowsCohorts(PrivacyAdversary adversary) => adversary == PrivacyAdversary.Aggregator || SamplingRate == 1;

    /// <summary>What was spent against somebody.</summary>
    /// <param name="adversary">The adversary.</param>
    /// <param name="spending">What was reserved.</param>
    /// <param name="more">Rounds beyond it, 0 or 1, in which the client is that was in most.</param>
    /// <returns>Epsilon and who shows it; null where nothing bounds it.</returns>
    internal (double Epsilon, AccountantKind Accountant)? SpentBy(PrivacyAdversary adversary, PrivacySpending spending, int more = 0)
    {
        if (!Protects(adversary)) return null;
        return _costs.Epsilon(Tree is null
            ? _costs.Of(adversary, NoiseMultiplier / Margin, (KnowsCohorts(adversary) ? spending.MostParticipations : spending.Sums) + more)
            : TreesOf(spending, more));
    }

    // A tree costs by the rounds that it has had.
    private List<PrivacyEvent> TreesOf(PrivacySpending spending, int more)
    {
        double noise = NoiseMultiplier / Margin;
        var trees = new List<PrivacyEvent>(spending.Trees.Select(tree => _costs.TreeOf(noise, tree.Last - tree.First + 1, tree.MostParticipations)));
        if (more == 0) return trees;
        if (spending.Trees.Count > 0 && spending.Trees[^1] is var last && last.Last - last.First + 1 < (Tree!.RestartEvery ?? int.MaxValue))
            trees[^1] = _costs.TreeOf(noise, last.Last - last.First + 1 + more, last.MostParticipations + more);
        else
            trees.Add(_costs.TreeOf(noise, more));
        return trees;
    }

    /// <summary>Why a client may not be in a round; null where it may.</summary>
    /// <param name="client">Its index in the directory.</param>
    /// <param name="round">The round.</param>
    /// <param name="spending">What was reserved.</param>
    /// <returns>The code of the reason.</returns>
    internal string? FaultOf(long client, int round, PrivacySpending spending)
    {
        if (Tree is not { } tree) return null;
        (long count, int last) = spending.Of(client);
        return count >= (tree.MaximumParticipations ?? long.MaxValue) ? PrivacyNumbers.Participations : last > 0 && round - last <= tree.MinimumSeparation ? PrivacyNumbers.Separation : null;
    }

    /// <summary>Whether anything is promised against somebody.</summary>
    /// <param name="adversary">The adversary.</param>
    /// <returns>False for an aggregator that adds the noise itself.</returns>
    public bool Protects(PrivacyAdversary adversary) => _costs.Protects(adversary);

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
            (PrivacyMechanism.Site, _) => FormattableString.Invariant($"each site adds the noise to {(BatchRate is { } rate ? FormattableString.Invariant($"every step of its training, whose batches it draws in secret, each example with probability {rate}") : "what it says of its examples")}, and nobody has more than one example"),
            (PrivacyMechanism.Central or PrivacyMechanism.Tree, _) => "the aggregator is trusted to add the noise and to show nobody but the model",
            _ => "no more clients collude than a secure sum withstands, and each honest one adds its noise",
        };
        string sampling = Tree is { } tree
            ? FormattableString.Invariant($"each client sees to it that at least {tree.MinimumSeparation} rounds lie between two that it is in{(tree.MaximumParticipations is { } most ? $", and that it is in no more than {most}" : "")}")
            : KnowsCohorts(adversary)
            ? IsAtSites ? "each site counts the rounds in which it was asked" : "each client counts the rounds in which it was asked"
            : FormattableString.Invariant($"each client is asked with probability {SamplingRate}, in secret, and neither cohorts nor their sizes are shown");
        return $"{trust}; {sampling}{(isSimulated ? "; noise and cohorts of this simulation come from its seed and protect nobody" : "")}";
    }

    /// <summary>What rounds cost at most: a client is in every one of them that it may be in.</summary>
    /// <param name="adversary">Against whom.</param>
    /// <param name="rounds">How many rounds.</param>
    /// <returns>Epsilon; infinite where nothing bounds it.</returns>
    public double PlannedEpsilon(PrivacyAdversary adversary, int rounds) => Protects(adversary) ? _costs.Epsilon(_costs.Of(adversary, NoiseMultiplier / Margin, rounds)).Epsilon : double.PositiveInfinity;

    /// <summary>How many rounds the run's epsilon allows.</summary>
    /// <returns>The number; as many as the run has where it has no epsilon.</returns>
    public int AffordableRounds() => Policy.Epsilon is { } epsilon ? _costs.Affordable(NoiseMultiplier / Margin, epsilon) : _run.Rounds.Count;
}
