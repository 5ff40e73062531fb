using System.CommandLine;
using FedCore.Privacy;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;

namespace FedCore.Cli.Commands;

/// <summary>The options by which a mechanism is described on the command line, and the events that they come to.</summary>
internal sealed class PrivacyQuestion
{
    private const string Gaussian = "gaussian", Distributed = "distributed-discrete-gaussian", Tree = "tree";

    private readonly Option<double?> _rate = NumberOption.Real("--sampling-rate", "The probability with which one takes part in a step, hidden from the adversary. [default: 1]", "0.01");
    private readonly Option<long?> _population = NumberOption.Create<long>("--population", "How many are protected: with it a delta that is too large is warned of.");
    private readonly Option<long?> _sample = NumberOption.Create<long>("--sample", "How many of the population take part in each step, every set as likely as another, instead of a sampling rate.");
    private readonly Option<long?> _steps = NumberOption.Create<long>("--steps", "How often it is done.");
    private readonly Option<double?> _delta = NumberOption.Real("--delta", "The delta.", "1e-6");
    private readonly Option<string> _mechanism = new("--mechanism")
    {
        Description = "Noise of one who adds it all, noise of each client in a secure sum, or a tree of partial sums.",
        DefaultValueFactory = _ => Gaussian,
    };

    private readonly Option<string?> _accountant = new("--accountant") { Description = "How the cost is added up. [default: whichever shows the least]" };
    private readonly Option<string> _relation = new("--relation")
    {
        Description = "Which data are neighbours: one contribution is zero, or is another.",
        DefaultValueFactory = _ => "zero-out",
    };

    private readonly Option<int?> _clients = NumberOption.Create<int>("--clients", "With distributed noise: how many honest clients are in a sum at least.");
    private readonly Option<long?> _dimension = NumberOption.Create<long>("--dimension", "With distributed noise: numbers in the vector.");
    private readonly Option<double?> _localSigma = NumberOption.Real("--local-sigma", "With distributed noise: the parameter of each client's noise in units of the ring.", "8", 8);
    private readonly Option<int?> _participations = NumberOption.Create<int>("--max-participations", "With a tree: how many steps one takes part in at most. [default: 1]");
    private readonly Option<int?> _separation = NumberOption.Create<int>("--min-separation", "With a tree: how many steps lie between two of them at least. [default: 0]");

    public PrivacyQuestion(Command command)
    {
        _steps.Required = _delta.Required = true;
        _mechanism.AcceptOnlyFromAmong(Gaussian, Distributed, Tree);
        _accountant.AcceptOnlyFromAmong("pld", "rdp");
        _relation.AcceptOnlyFromAmong("zero-out", "replace-one");
        foreach (Option option in (Option[])[_rate, _steps, _delta, _mechanism, _accountant, _relation, _population, _sample, _clients, _dimension, _localSigma, _participations, _separation])
            command.Add(option);
    }

    public double Delta(ParseResult parsed) => PrivacyNumbers.Delta(parsed.GetValue(_delta)!.Value, "--delta");

    public NeighboringRelation Relation(ParseResult parsed) => parsed.GetValue(_relation) == "zero-out" ? NeighboringRelation.ZeroOut : NeighboringRelation.ReplaceOne;

    /// <summary>Which accountants are asked: those that have a bound for an event.</summary>
    public IReadOnlyList<AccountantKind> Accountants(ParseResult parsed, PrivacyEvent all)
    {
        AccountantKind[] asked = parsed.GetValue(_accountant) switch
        {
            "pld" => [AccountantKind.Pld],
            "rdp" => [AccountantKind.Rdp],
            _ => [AccountantKind.Pld, AccountantKind.Rdp],
        };
        AccountantKind[] able = [.. asked.Where(kind => PrivacyAccountant.Create(kind, Relation(parsed)).Supports(all))];
        if (able.Length > 0) return able;
        try
        {
            PrivacyAccountant.Create(asked[0], Relation(parsed)).Record(all);
            return asked;
        }
        catch (NotSupportedException fault)
        {
            throw Usage(fault.Message);
        }
    }

    /// <summary>What is to be said of the delta; null for nothing.</summary>
    public string? Warning(ParseResult parsed) => parsed.GetValue(_population) is { } population ? PrivacyNumbers.DeltaWarning(Delta(parsed), Positive(population, "--population")) : null;

    /// <summary>Everything that is done, by the noise multiplier.</summary>
    public Func<double, PrivacyEvent> Events(ParseResult parsed)
    {
        long steps = Positive(parsed.GetValue(_steps)!.Value, "--steps");
        string mechanism = parsed.GetValue(_mechanism)!;
        RefuseOthers(parsed, mechanism);
        if (mechanism == Tree)
        {
            if (parsed.GetValue(_rate) is not null || parsed.GetValue(_sample) is not null) throw Usage("A tree promises nothing by sampling. Leave --sampling-rate and --sample out.");
            (int participations, int separation) = (parsed.GetValue(_participations) ?? 1, parsed.GetValue(_separation) ?? 0);
            if (steps > int.MaxValue) throw Usage($"--steps is {steps}, but a tree has at most {int.MaxValue}.");
            return noise => new TreeAggregationEvent(noise, (int)steps, (int)Positive(participations, "--max-participations"), separation >= 0 ? separation : throw Usage("--min-separation is below 0."));
        }

        Func<double, PrivacyEvent> each = noise => new GaussianEvent(noise);
        if (mechanism == Distributed)
        {
            int clients = (int)Positive(parsed.GetValue(_clients) ?? throw Usage("Distributed noise depends on --clients: how many honest clients are in a sum at least."), "--clients");
            long dimension = Positive(parsed.GetValue(_dimension) ?? throw Usage("Distributed noise depends on --dimension: the numbers in the vector."), "--dimension");
            double sigma = PrivacyNumbers.NoiseMultiplier(parsed.GetValue(_localSigma)!.Value, "--local-sigma");
            each = noise => new DistributedDiscreteGaussianEvent(sigma, clients, Math.Sqrt(clients) * sigma / noise, dimension);
        }

        if (parsed.GetValue(_sample) is { } sample)
        {
            if (parsed.GetValue(_rate) is not null) throw Usage("--sampling-rate and --sample exclude each other. Give one of the two.");
            long population = parsed.GetValue(_population) ?? throw Usage("--sample needs --population: how many there are to be sampled from.");
            if (Positive(sample, "--sample") > population) throw Usage($"--sample is {sample}, but --population is {population}.");
            return noise => new FixedSizeSampledEvent(population, sample, each(noise)).Times(steps);
        }

        double rate = PrivacyNumbers.SamplingRate(parsed.GetValue(_rate) ?? 1, "--sampling-rate");
        return noise => (rate < 1 ? new PoissonSampledEvent(rate, each(noise)) : each(noise)).Times(steps);
    }

    /// <summary>Against whom an epsilon holds that sampling made smaller; null where none did.</summary>
    public string? HoldsAgainst(ParseResult parsed)
    {
        bool isAmplified = parsed.GetValue(_rate) is < 1 || (parsed.GetValue(_sample) is { } sample && sample < parsed.GetValue(_population));
        const string Clients = "Where clients are sampled it holds against those who get the model and took no part. The aggregator sees who does: against it the sampling rate is 1.";
        return !isAmplified ? null : parsed.GetValue(_mechanism) == Distributed ? Clients : $"{Clients} Where a site draws examples in secret it holds against everybody else.";
    }

    public static FedCoreException Usage(string message) => new(FaultKind.Usage, "cli.option", message);

    // What belongs to another mechanism would change nothing, and whoever gave it believes that it does.
    private void RefuseOthers(ParseResult parsed, string mechanism)
    {
        foreach ((Option option, string owner) in (ReadOnlySpan<(Option, string)>)[(_clients, Distributed), (_dimension, Distributed), (_localSigma, Distributed), (_participations, Tree), (_separation, Tree)])
            if (owner != mechanism && parsed.GetResult(option) is { Implicit: false })
                throw Usage($"{option.Name} changes nothing with --mechanism {mechanism}: it belongs to --mechanism {owner}. Leave it out, or say that mechanism.");
    }

    private static long Positive(long value, string name) => value >= 1 ? value : throw Usage($"{name} is {value}, but it is at least 1.");
}
