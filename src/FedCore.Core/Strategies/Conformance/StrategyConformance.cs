using System.Text.Json;
using FedCore.Json;
using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Updates;

namespace FedCore.Strategies.Conformance;

/// <summary>
/// What every strategy must keep to, checked with clients whose losses are quadratic: no engine, no data, a second at most. Run it from a strategy's own tests.
/// </summary>
public static class StrategyConformance
{
    private const int Parameters = 7, Clients = 4, Rounds = 6;

    /// <summary>Puts a strategy through all checks.</summary>
    /// <param name="strategy">The strategy with the parameters to be checked.</param>
    /// <param name="registry">The names, its own among them.</param>
    /// <param name="change">Changes the run that it is checked in, for a strategy that refuses others; null for a plain one.</param>
    /// <param name="ct">Cancels the checks.</param>
    /// <returns>Each check and, where it failed, why.</returns>
    public static async Task<IReadOnlyList<ConformanceResult>> CheckAsync(
        IStrategy strategy, Registry registry, Func<RunDefinition, RunDefinition>? change = null, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(strategy);
        ArgumentNullException.ThrowIfNull(registry);
        var results = new List<ConformanceResult>();
        foreach ((string fact, Func<Subject, Task<string?>> check) in Checks)
        {
            ct.ThrowIfCancellationRequested();
            results.Add(new ConformanceResult(fact, await FaultOfAsync(check, new Subject(strategy, registry, change, ct)).ConfigureAwait(false)));
        }

        return results;
    }

    private static IEnumerable<(string Fact, Func<Subject, Task<string?>> Check)> Checks =>
    [
        ("its parameters survive a run file", ParametersSurviveAsync),
        ("its layout is the same every time, with the model's change in it", LayoutIsStableAsync),
        ("its plan depends on round and client alone", PlanIsStableAsync),
        ("a round of one client moves the model and leaves it finite", OneClientAsync),
        ("its clients weigh what their tasks say, unless it has weights of its own", WeightsAsync),
        ("a client that weighs nothing leaves the model finite", NoWeightAsync),
        ("with all of the sums ten times as large it forms the same means", MeansAsync),
        ("a round without clients needs nothing of it", EmptyCohortAsync),
        ("the same updates give the same bits", SameBitsAsync),
        ("a run that is resumed from saved state goes on with the same bits", ResumesAsync),
        ("it is linear in its updates, if it says so", LinearAsync),
    ];

    private static async Task<string?> FaultOfAsync(Func<Subject, Task<string?>> check, Subject subject)
    {
        try
        {
            return await check(subject).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            return $"it threw {fault.GetType().Name}: {fault.Message}";
        }
    }

    private static Task<string?> ParametersSurviveAsync(Subject subject)
    {
        JsonSerializerOptions options = FedCoreJson.Options(subject.Registry);
        string written = JsonSerializer.Serialize(subject.Strategy, options), again = JsonSerializer.Serialize(JsonSerializer.Deserialize<IStrategy>(written, options), options);
        return Task.FromResult(written == again ? null : $"{written} was read back as {again}.");
    }

    private static Task<string?> LayoutIsStableAsync(Subject subject)
    {
        RunPlan plan = subject.Plan();
        Section[] first = [.. subject.Strategy.Layout(plan.Model.Schema).Sections], second = [.. subject.Strategy.Layout(plan.Model.Schema).Sections];
        if (!first.SequenceEqual(second)) return Fail("two calls for the same model gave different sections");
        Section? model = Array.Find(first, section => section.Name == Section.Model);
        if (model is null) return Fail($"there is no section '{Section.Model}'");
        return model.Length == Parameters ? Pass : Fail($"section '{Section.Model}' has {model.Length} elements, but the model has {Parameters}");
    }

    private static Task<string?> PlanIsStableAsync(Subject subject)
    {
        var context = new RoundContext(subject.Plan(), 3, Clients);
        var client = new ClientDescriptor(2, new ClientId("client 2"));
        ClientTask first = subject.Strategy.Plan(context, client), second = subject.Strategy.Plan(context, client);
        if (first != second) return Fail("two calls for the same round and client gave different tasks");
        if (first.Round != 3) return Fail($"in round 3 it planned a task of round {first.Round}; begin with round.StandardTask");
        return first.LearningRate > 0 && first.StepsFor(10) > 0 ? Pass : Fail("it planned a task without work or without a rate above 0");
    }

    private static async Task<string?> OneClientAsync(Subject subject)
    {
        using QuadraticFederation federation = subject.New();
        float[] before = federation.Model;
        await federation.RoundAsync(1, [1], subject.Ct).ConfigureAwait(false);
        if (!federation.Model.All(float.IsFinite)) return "the model is not finite.";
        return before.SequenceEqual(federation.Model) ? "the model did not move." : null;
    }

    private static async Task<string?> WeightsAsync(Subject subject)
    {
        if (subject.Strategy.HasOwnWeights) return null;
        using QuadraticFederation federation = subject.New();
        int place = (int)federation.Plan.TrainLayout.Find(Section.Weight).Offset;
        double weight = (await federation.TrainAsync(1, [0], subject.Ct).ConfigureAwait(false))[0].Scalars[place];
        ClientTask task = subject.Strategy.Plan(new RoundContext(federation.Plan, 1, Clients), new ClientDescriptor(0, new ClientId("client 0")));
        return task.Weighting.FaultIn(weight) is { } fault ? $"a client weighs {weight}, but {fault}. Leave update.Weight as it is, or say HasOwnWeights." : null;
    }

    private static async Task<string?> NoWeightAsync(Subject subject)
    {
        using QuadraticFederation federation = subject.New();
        UpdateLayout layout = federation.Plan.TrainLayout;
        var nothing = new MemoryUpdate(new float[layout.VectorLength], new double[layout.ScalarCount]);
        await federation.ApplyAsync(1, [.. await federation.TrainAsync(1, [0, 1], subject.Ct).ConfigureAwait(false), nothing], subject.Ct).ConfigureAwait(false);
        return federation.Model.All(float.IsFinite) ? null : "the model is not finite.";
    }

    // A strategy that does not divide by a sum of weights, or of something like them, moves ten times as far.
    private static async Task<string?> MeansAsync(Subject subject)
    {
        using QuadraticFederation once = subject.New(), tenfold = subject.New();
        IReadOnlyList<MemoryUpdate> updates = await once.TrainAsync(1, [0, 2, 3], subject.Ct).ConfigureAwait(false);
        await once.ApplyAsync(1, updates, subject.Ct).ConfigureAwait(false);
        await tenfold.ApplyAsync(1, [.. updates.Select(update => new MemoryUpdate(
            [.. update.Values.Select(value => 10 * value)], [.. update.Scalars.ToArray().Select(value => 10 * value)]))], subject.Ct).ConfigureAwait(false);
        for (int j = 0; j < Parameters; j++)
        {
            double single = once.Model[j], other = tenfold.Model[j];
            if (!(Math.Abs(other - single) <= 1e-4 * (1 + Math.Abs(single))))
                return $"parameter {j} ended at {other:G6} instead of {single:G6}. Divide what is summed by sum.Weight, or by a section of the strategy's own.";
        }

        return null;
    }

    // The engine abandons such a round; what the strategy could spoil is the round behind it.
    private static async Task<string?> EmptyCohortAsync(Subject subject)
    {
        using QuadraticFederation plain = subject.New(), gap = subject.New();
        await plain.RoundAsync(1, [0, 1, 2], subject.Ct).ConfigureAwait(false);
        await gap.TrainAsync(1, [], subject.Ct).ConfigureAwait(false);
        await gap.RoundAsync(1, [0, 1, 2], subject.Ct).ConfigureAwait(false);
        return plain.Model.SequenceEqual(gap.Model) ? null : "the round behind an empty one ended elsewhere.";
    }

    private static async Task<string?> SameBitsAsync(Subject subject)
    {
        using QuadraticFederation first = subject.New(), second = subject.New();
        for (int round = 1; round <= Rounds; round++)
        {
            await first.RoundAsync(round, CohortOf(round), subject.Ct).ConfigureAwait(false);
            await second.RoundAsync(round, CohortOf(round), subject.Ct).ConfigureAwait(false);
            if (!first.Model.SequenceEqual(second.Model)) return $"round {round} differs. It must not draw random numbers of its own, nor read a clock.";
        }

        return null;
    }

    private static async Task<string?> ResumesAsync(Subject subject)
    {
        const int Half = Rounds / 2;
        using QuadraticFederation whole = subject.New(), first = subject.New();
        for (int round = 1; round <= Rounds; round++) await whole.RoundAsync(round, CohortOf(round), subject.Ct).ConfigureAwait(false);
        for (int round = 1; round <= Half; round++) await first.RoundAsync(round, CohortOf(round), subject.Ct).ConfigureAwait(false);

        // In another process the strategy is another object, of which only the parameters are the same.
        JsonSerializerOptions options = FedCoreJson.Options(subject.Registry);
        IStrategy again = JsonSerializer.Deserialize<IStrategy>(JsonSerializer.Serialize(subject.Strategy, options), options)!;
        using QuadraticFederation second = (subject with { Strategy = again }).New(first);
        using var file = new MemoryStream();
        ServerCheckpoint.Write(file, first.Server, first.Plan.StrategyName);
        file.Position = 0;
        ServerCheckpoint.Read(file, second.Server, second.Plan.StrategyName);
        for (int round = Half + 1; round <= Rounds; round++) await second.RoundAsync(round, CohortOf(round), subject.Ct).ConfigureAwait(false);
        return whole.Model.SequenceEqual(second.Model)
            ? null
            : "the resumed run ended elsewhere. What must last from round to round belongs into ServerState or the clients' state, not into fields.";
    }

    // With the clients' weights as they are, twice the changes must move the model twice as far.
    private static async Task<string?> LinearAsync(Subject subject)
    {
        if (!subject.Strategy.IsLinear) return null;
        using QuadraticFederation once = subject.New(), twice = subject.New();
        IReadOnlyList<MemoryUpdate> updates = await once.TrainAsync(1, [0, 2, 3], subject.Ct).ConfigureAwait(false);
        float[] start = once.Model;
        await once.ApplyAsync(1, updates, subject.Ct).ConfigureAwait(false);
        await twice.ApplyAsync(1, [.. updates.Select(update => new MemoryUpdate([.. update.Values.Select(value => 2 * value)], update.Scalars.ToArray()))], subject.Ct).ConfigureAwait(false);
        for (int j = 0; j < Parameters; j++)
        {
            double single = once.Model[j] - start[j], twofold = twice.Model[j] - start[j];
            if (!(Math.Abs(twofold - 2 * single) <= 1e-5 * (1 + Math.Abs(twofold)))) return $"twice the changes moved parameter {j} by {twofold:G6}, once by {single:G6}.";
        }

        return null;
    }

    private static int[] CohortOf(int round) => round % 3 == 0 ? [0, 1, 2, 3] : round % 3 == 1 ? [1, 3] : [2, 0, 1];

    private static Task<string?> Pass => Task.FromResult<string?>(null);

    private static Task<string?> Fail(string why) => Task.FromResult<string?>(why + ".");

    private sealed record Subject(IStrategy Strategy, Registry Registry, Func<RunDefinition, RunDefinition>? Change, CancellationToken Ct)
    {
        public RunPlan Plan() => QuadraticFederation.PlanFor(Strategy, Registry, Parameters, new TrainingPlan { Steps = 5, LearningRate = 0.1 }, Rounds, Change);

        /// <summary>A new federation; with the clients' states of another one, to go on from there.</summary>
        public QuadraticFederation New(QuadraticFederation? statesOf = null) => new(
            Plan(),
            [.. Enumerable.Range(0, Clients).Select(client => new QuadraticClient(
                [.. Enumerable.Range(0, Parameters).Select(j => 0.3f + 0.2f * ((client + j) % 5))],
                [.. Enumerable.Range(0, Parameters).Select(j => 1 + client - 0.7f * j)],
                10 + 7 * client))],
            statesOf);
    }
}

/// <summary>What a check came to.</summary>
/// <param name="Fact">What it checks.</param>
/// <param name="Fault">Why it failed; null where it holds.</param>
public sealed record ConformanceResult(string Fact, string? Fault)
{
    /// <summary>Whether the check holds.</summary>
    public bool Holds => Fault is null;

    /// <inheritdoc/>
    public override string ToString() => Holds ? $"{Fact}: yes" : $"{Fact}: NO, {Fault}";
}
