using System.Globalization;

namespace FedCore.SecureAggregation.Graphs;

/// <summary>
/// Which degrees and thresholds are safe for a number of clients of whom some are the adversary's and some vanish (Bell et al. 2020, section 3.4, with the
/// conditions of Google's federated-compute, fcp/secagg/server/graph_parameter_finder.cc): but for a chance of 2^-40 the graph stays connected without them and nobody has a
/// threshold of the adversary's clients as neighbours; but for one of 2^-20 every client keeps a threshold of neighbours.
/// </summary>
public sealed class GraphRule
{
    /// <summary>From so many clients on the graph is a random one of a lower degree; with fewer everybody is everybody's neighbour.</summary>
    public const int LeastSparse = 100;

    /// <summary>The most clients of one sum.</summary>
    public const int MostClients = 1_000_000;

    // The security parameter is 40 bits, half of the chance for each condition; the correctness parameter is 20 bits.
    private const double Insecure = 1.0 / (1L << 41), Incorrect = 1.0 / (1 << 20), MostAway = 0.9;

    private readonly int _clients, _adversaries, _dropouts;
    private readonly double _away;
    private readonly Adversary _adversary;
    private readonly Hypergeometric _chances;
    private int _mostCorrupt, _leastLeft;

    /// <summary>A rule for a number of clients.</summary>
    /// <param name="clients">How many, 1 to <see cref="MostClients"/>.</param>
    /// <param name="adversarialRate">The share of them that the adversary may control, 0 or more and below 1; rounded down to whole clients.</param>
    /// <param name="dropoutRate">The share of them that may vanish, likewise.</param>
    /// <param name="adversary">What the aggregator may do.</param>
    /// <exception cref="FedCoreException">No graph could be safe (<c>secagg.parameters</c>).</exception>
    public GraphRule(int clients, double adversarialRate, double dropoutRate, Adversary adversary)
    {
        if (clients is < 1 or > MostClients) throw Refused($"there are {clients} clients; a sum has 1 to {MostClients}.");
        CheckRate(adversarialRate, "adversarial rate");
        CheckRate(dropoutRate, "dropout rate");
        if (adversary == Adversary.None && adversarialRate > 0)
            throw Refused(FormattableString.Invariant($"the adversarial rate is {adversarialRate}, but there is no adversary. Set the rate to 0, or name the adversary."));
        (_clients, _adversary, _away) = (clients, adversary, adversarialRate + dropoutRate * (adversary == Adversary.SplitView ? 2 : 1));
        _adversaries = Whole(clients, adversarialRate);
        _dropouts = Whole(clients, dropoutRate);
        _chances = new Hypergeometric(clients);
    }

    /// <summary>The parameters of a random graph: the lowest degree that is safe, and its lowest threshold.</summary>
    /// <returns>The parameters.</returns>
    /// <exception cref="FedCoreException">No degree below the number of clients is safe (<c>secagg.parameters</c>).</exception>
    public GraphParameters Sparse()
    {
        if (TooManyAway() is { } fault) throw Refused(fault + ". Lower a rate.");
        for (int degree = 2; degree < _clients - 1; degree += 2)
        {
            if (!StaysConnected(degree)) continue;
            int corrupt = MostCorrupt(degree);
            if (LeastLeft(degree) > corrupt) return new GraphParameters(degree, Math.Max(corrupt + 1, 2));
        }

        throw Refused($"no graph of {_clients} clients withstands {_adversaries} of them with the adversary and {_dropouts} lost. Lower a rate, or ask more clients.");
    }

    /// <summary>The parameters that a sum uses: everybody is everybody's neighbour below <see cref="LeastSparse"/> clients, and then two thirds of them are a threshold.</summary>
    /// <returns>The parameters.</returns>
    /// <exception cref="FedCoreException">No degree is safe, or more clients may vanish than a threshold can do without (<c>secagg.parameters</c>).</exception>
    public GraphParameters Choose()
    {
        if (_clients >= LeastSparse) return Sparse();
        int threshold = CompleteThreshold(_clients);
        if (_clients - _dropouts < threshold)
        {
            throw Refused($"{threshold} of {_clients} clients must stay, so {_clients - threshold} may be lost, but the dropout rate lets {_dropouts} go. "
                + FormattableString.Invariant($"Lower it to {(double)(_clients - threshold) / _clients:0.##}, or ask more clients."));
        }

        return new GraphParameters(_clients - 1, threshold);
    }

    /// <summary>Why parameters that somebody else chose are not safe.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="invited">For how many clients they were chosen, of whom some may not have come.</param>
    /// <returns>A sentence without its end; null where they are.</returns>
    public string? FaultIn(GraphParameters parameters, int invited)
    {
        if (parameters.Degree >= _clients - 1)
        {
            int least = CompleteThreshold(_clients);
            return parameters.Threshold >= least && parameters.Threshold <= _clients ? null : $"the threshold is {parameters.Threshold}, but of {_clients} clients it is {least} to {_clients}";
        }

        if (invited < LeastSparse) return $"each client has {parameters.Degree} neighbours, but {invited} clients are each other's neighbours, all of them";
        if (parameters.Degree < 2 || parameters.Degree % 2 != 0) return $"the degree is {parameters.Degree}, but it is an even number from 2 to {_clients - 2}";
        if (TooManyAway() is { } fault) return fault;
        if (!StaysConnected(parameters.Degree)) return $"the degree is {parameters.Degree}, with which {_clients} clients of whom {_adversaries + _dropouts} are away may fall apart";
        int most = MostCorrupt(parameters.Degree);
        return parameters.Threshold >= Math.Max(most + 1, 2) && parameters.Threshold <= parameters.Degree
            ? null
            : $"the threshold is {parameters.Threshold}, but at a degree of {parameters.Degree} it is {Math.Max(most + 1, 2)} to {parameters.Degree}";
    }

    private static int CompleteThreshold(int clients) => 2 * clients / 3 + 1;

    /// <summary>A share of clients in whole ones, rounded down. Shares are decimal numbers, whose products are off by a little.</summary>
    internal static int Whole(int clients, double share) => (int)Math.Floor(clients * share + 1e-9);

    // Of a random graph. Rates are decimal numbers, whose sums are off by a little.
    private string? TooManyAway() => _away <= MostAway + 1e-9 ? null : _adversary == Adversary.SplitView
        ? FormattableString.Invariant($"the adversarial rate and twice the dropout rate are {_away:0.###} together, of which at most {MostAway} can be withstood when the aggregator may lie")
        : FormattableString.Invariant($"the adversarial rate and the dropout rate are {_away:0.###} together, of which at most {MostAway} can be withstood");

    // Some client has no neighbour left but those away, by the union bound over the pairs that are not neighbours.
    private bool StaysConnected(int degree) =>
        Math.Log(_clients) + Math.Log(_clients - degree - 1) - Math.Log(2) + _chances.LogChoose(_adversaries + _dropouts, degree) - _chances.LogChoose(_clients, degree) < Math.Log(Insecure);

    // As many of a client's neighbours as the adversary has; a lying aggregator gets half of the honest ones to help him. The search goes on where the last one, for a near degree, ended.
    private int MostCorrupt(int degree)
    {
        double bound = Insecure / _clients;
        while (_chances.Above(_mostCorrupt, _clients, _adversaries, degree) > bound) _mostCorrupt++;
        while (_mostCorrupt > 0 && _chances.Above(_mostCorrupt - 1, _clients, _adversaries, degree) <= bound) _mostCorrupt--;
        return _adversary == Adversary.SplitView ? (int)Math.Ceiling((_mostCorrupt + degree - 1.25) / 2) : _mostCorrupt;
    }

    // As many of a client's neighbours as stay at least.
    private int LeastLeft(int degree)
    {
        double bound = Incorrect / _clients;
        while (_chances.AtMost(_leastLeft, _clients, _clients - _dropouts, degree) < bound) _leastLeft++;
        while (_leastLeft > 0 && _chances.AtMost(_leastLeft - 1, _clients, _clients - _dropouts, degree) >= bound) _leastLeft--;
        return _leastLeft;
    }

    private static void CheckRate(double rate, string name)
    {
        if (!(rate >= 0 && rate < 1)) throw Refused(string.Create(CultureInfo.InvariantCulture, $"the {name} is {rate}, but a rate is from 0 up to, but not including, 1."));
    }

    private static FedCoreException Refused(string message) => FedCoreException.Configuration("secagg.parameters", "Secure aggregation has no parameters for this: " + message);
}
