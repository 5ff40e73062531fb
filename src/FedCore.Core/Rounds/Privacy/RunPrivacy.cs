using FedCore.Privacy;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;
using FedCore.Rounds.Selection;
using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Ring;

namespace FedCore.Rounds.Privacy;

/// <summary>What a run's <c>privacy</c> section comes to: the noise of its rounds, what they cost, and against whom that holds. It follows from the definition alone.</summary>
public sealed class RunPrivacy
{
    // The accountants of noise that is drawn add a little to what it was calibrated for.
    private const double Margin = 1 + 1e-6;

    private readonly RunDefinition _run;
    private readonly Lazy<double> _noiseMultiplier;
    private (string Key, (double Epsilon, AccountantKind Accountant) Spent)? _known;

    internal RunPrivacy(RunDefinition run)
    {
        _run = run;
        Policy = run.Privacy!;
        Mechanism = Policy.Mechanism ?? (run.SecureAggregation is null ? PrivacyMechanism.Central : PrivacyMechanism.Distributed);
        _noiseMultiplier = new Lazy<double>(() => Policy.NoiseMultiplier ?? Margin * Kinds.Min(kind => Smallest(kind)));
    }

    /// <summary>The section.</summary>
    public PrivacyPolicy Policy { get; }

    /// <summary>Who adds the noise.</summary>
    public PrivacyMechanism Mechanism { get; }

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

    /// <summary>The noise of a sum of so many clients.</summary>
    internal RingNoiseOptions NoiseFor(int clients) => new(NoiseMultiplier, Mechanism == PrivacyMechanism.Central ? 0 : HonestOf(clients, _run.SecureAggregation!.LeastOf(clients)));

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
    /// <param name="noise">The noise in the sum.</param>
    internal PrivacyEvent? CostOf(PrivacyAdversary adversary, PrivacyEvent noise) => (adversary, Mechanism) switch
    {
        (PrivacyAdversary.Aggregator, PrivacyMechanism.Central) => null,
        (PrivacyAdversary.Recipients, _) when SamplingRate < 1 => new PoissonSampledEvent(SamplingRate, noise),
        _ => noise,
    };

    /// <summary>Whether what an adversary learns of a client depends on the rounds in which it took part alone, since the adversary may know them.</summary>
    internal bool KnowsCohorts(PrivacyAdversary adversary) => adversary == PrivacyAdversary.Aggregator || SamplingRate == 1;

    /// <summary>The smallest epsilon that an accountant shows of some events.</summary>
    /// <param name="events">The events, and how often each was.</param>
    /// <returns>Epsilon, and who shows it.</returns>
    internal (double Epsilon, AccountantKind Accountant) SpentOn(IReadOnlyCollection<KeyValuePair<PrivacyEvent, long>> events)
    {
        // The same question is asked again and again while a run goes on.
        KeyValuePair<PrivacyEvent, long>[] recorded = [.. events];
        string key = string.Join(';', recorded.Select(entry => $"{entry.Key} x {entry.Value}"));
        if (_known is { } known && known.Key == key) return known.Spent;
        (double Epsilon, AccountantKind) best = (double.PositiveInfinity, AccountantKind.Rdp);
        foreach (AccountantKind kind in Kinds)
        {
            PrivacyAccountant accountant = PrivacyAccountant.Create(kind, Policy.Relation);
            try
            {
                foreach ((PrivacyEvent happened, long count) in recorded) accountant.Record(happened, count);
            }
            catch (NotSupportedException) when (Policy.Accountant is null)
            {
                continue;
            }

            double epsilon = accountant.Epsilon(Policy.Delta);
            if (epsilon < best.Epsilon) best = (epsilon, kind);
        }

        _known = (key, best);
        return best;
    }

    /// <summary>What was spent against somebody.</summary>
    /// <param name="adversary">The adversary.</param>
    /// <param name="spending">What was reserved.</param>
    /// <param name="more">Rounds beyond it, with the run's noise and the client in them that was in most.</param>
    /// <returns>Epsilon and who shows it; null where nothing bounds it.</returns>
    internal (double Epsilon, AccountantKind Accountant)? SpentBy(PrivacyAdversary adversary, PrivacySpending spending, int more = 0)
    {
        Dictionary<PrivacyEvent, long> costs = [];
        void Add(PrivacyEvent noise, long count)
        {
            if (count > 0 && CostOf(adversary, noise) is { } cost) costs[cost] = costs.GetValueOrDefault(cost) + count;
        }

        if (CostOf(adversary, PlannedEvent(NoiseMultiplier)) is null) return null;
        if (KnowsCohorts(adversary))
        {
            // Nobody was in more sums, and no noise is narrower than the run's.
            Add(PlannedEvent(NoiseMultiplier / Margin), spending.MostParticipations + more);
        }
        else
        {
            foreach ((PrivacyEvent noise, long count) in spending.Events) Add(noise, count);
            Add(PlannedEvent(NoiseMultiplier), more);
        }

        return SpentOn(costs);
    }

    /// <summary>Whether another round would spend more than the run may.</summary>
    internal bool IsSpent(PrivacySpending spending) => Policy.Epsilon is { } epsilon && SpentBy(Against, spending, more: 1) is { } projected && projected.Epsilon > epsilon;

    /// <summary>What a receipt says of a round.</summary>
    /// <param name="spending">What was reserved so far, this round with it.</param>
    /// <param name="noise">The round's noise.</param>
    /// <param name="isSimulated">Whether noise and cohorts come from a seed.</param>
    internal PrivacyReceipt ReceiptOf(PrivacySpending spending, PrivacyEvent noise, bool isSimulated) => new()
    {
        Unit = Policy.Unit,
        Relation = Policy.Relation,
        Mechanism = Mechanism,
        Clip = Policy.Clip,
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
            (PrivacyMechanism.Central, _) => "the aggregator is trusted to add the noise and to show nobody but the model",
            _ => "no more clients collude than a secure sum withstands, and each honest one adds its noise",
        };
        string sampling = KnowsCohorts(adversary)
            ? "each client counts the rounds in which it was asked"
            : FormattableString.Invariant($"each client is asked with probability {SamplingRate}, in secret, and neither cohorts nor their sizes are shown");
        return $"{trust}; {sampling}{(isSimulated ? "; noise and cohorts of this simulation come from its seed and protect nobody" : "")}";
    }

    /// <summary>What all rounds cost at most: a client may be in every one of them.</summary>
    /// <param name="adversary">Against whom.</param>
    /// <param name="rounds">How many rounds.</param>
    /// <returns>Epsilon; infinite where nothing bounds it.</returns>
    public double PlannedEpsilon(PrivacyAdversary adversary, int rounds) =>
        CostOf(adversary, PlannedEvent(NoiseMultiplier)) is { } cost ? SpentOn([KeyValuePair.Create(cost, (long)rounds)]).Epsilon : double.PositiveInfinity;

    /// <summary>How many rounds the run's epsilon allows.</summary>
    /// <returns>The number; as many as the run has where it has no epsilon.</returns>
    public int AffordableRounds() => Policy.Epsilon is not { } epsilon
        ? _run.Rounds.Count
        : (int)Kinds.Max(kind => TryCount(kind, epsilon));

    // Against the aggregator, noise of several clients is added up by Renyi divergences alone.
    private IEnumerable<AccountantKind> Kinds => Policy.Accountant is { } chosen ? [chosen] : Mechanism == PrivacyMechanism.Distributed ? [AccountantKind.Rdp] : [AccountantKind.Pld, AccountantKind.Rdp];

    private double Smallest(AccountantKind kind) => Calibration.NoiseMultiplier(
        noise => CostOf(Against, PlannedEvent(noise))!.Times(_run.Rounds.Count), () => PrivacyAccountant.Create(kind, Policy.Relation), PrivacyNumbers.Epsilon(Policy.Epsilon!.Value, "privacy.epsilon"), Policy.Delta);

    private long TryCount(AccountantKind kind, double epsilon)
    {
        try
        {
            return Calibration.Count(CostOf(Against, PlannedEvent(NoiseMultiplier))!, () => PrivacyAccountant.Create(kind, Policy.Relation), epsilon, Policy.Delta, _run.Rounds.Count);
        }
        catch (NotSupportedException)
        {
            return 0;
        }
    }

    private static GaussianEvent PlannedEvent(double noiseMultiplier) => new(noiseMultiplier);
}
