using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using FedCore.Compression;
using FedCore.Json;
using FedCore.Models;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Privacy;
using FedCore.Rounds.Privacy;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Ring;
using FedCore.Strategies;
using FedCore.Updates;
using MathNet.Numerics;

namespace FedCore.Rounds;

/// <summary>A run definition that was checked, with everything that follows from it.</summary>
public sealed class RunPlan
{
    private RunPlan(RunDefinition definition, Registry registry, ModelPlan model, byte[] canonical)
    {
        Definition = definition;
        Registry = registry;
        Model = model;
        CanonicalBytes = canonical;
        byte[] hash = SHA256.HashData(canonical);
        Hash = "sha256:" + Convert.ToHexStringLower(hash);
        Random = new RandomKeys(hash, definition.Seed);
        World = new RandomKeys("world"u8, definition.Seed);
        StrategyName = NamesIn(JsonSerializer.SerializeToNode(definition.Strategy, FedCoreJson.Options(registry))!);
        Metrics = new MetricLayout(definition.Model.Loss);
        Privacy = definition.Privacy is null ? null : new RunPrivacy(definition);

        // Under differential privacy nothing leaves a client but what noise protects, and how clients fared while they trained is not among it.
        TrainLayout = definition.Strategy.LayoutFor(definition, model.Schema).With([.. BufferSection(model.Schema), new Section(Section.Weight, SectionRole.Weight, 1), .. Privacy is null ? Metrics.Sections("") : Privacy.Sections]);
        Codec = definition.Transforms.Count > 0 ? new UpdateCodec(TrainLayout, definition.Transforms, Random) : null;
        EvaluationPlan evaluation = definition.Evaluation;
        Distributions = evaluation.Distribution is null
            ? []
            : [.. evaluation.Splits.SelectMany(split => Metrics.Shares.Select(share => MetricLayout.Name(MetricLayout.Prefix(split), share.Mean)))];
        EvaluateLayout = new UpdateLayout(evaluation.Splits.SelectMany(split => Metrics.Sections(MetricLayout.Prefix(split))))
            .With(Distributions.Select(name => evaluation.Distribution!.Section(name)));
        WireCodec = Codec ?? new UpdateCodec(TrainLayout, [], Random);
        EvaluateCodec = new UpdateCodec(EvaluateLayout, [], Random);
    }

    /// <summary>The definition.</summary>
    public RunDefinition Definition { get; }

    /// <summary>The names it was checked with.</summary>
    public Registry Registry { get; }

    /// <summary>The model with its shapes and tensors.</summary>
    public ModelPlan Model { get; }

    /// <summary>The definition's canonical JSON: declared order, defaults written, no white space, UTF-8.</summary>
    public ReadOnlyMemory<byte> CanonicalBytes { get; }

    /// <summary>SHA-256 of the canonical bytes, as <c>sha256:</c> and 64 hexadecimal digits.</summary>
    public string Hash { get; }

    /// <summary>What a file with the run's model says of itself.</summary>
    public IReadOnlyDictionary<string, string> ModelMetadata => new Dictionary<string, string> { ["fedcore.run"] = Hash };

    /// <summary>The root of the run's reproducible random streams.</summary>
    public RandomKeys Random { get; }

    /// <summary>
    /// The root of random streams that the seed alone decides: first weights, and in simulations who has which device and who attacks. So runs with one seed can be
    /// compared, whatever else differs between them.
    /// </summary>
    public RandomKeys World { get; }

    /// <summary>The metrics of the model's loss.</summary>
    public MetricLayout Metrics { get; }

    /// <summary>What the run promises about each client; null for nothing.</summary>
    public RunPrivacy? Privacy { get; }

    /// <summary>The shares whose distribution over clients an evaluation shows, such as <c>accuracy</c>.</summary>
    public IReadOnlyList<string> Distributions { get; }

    /// <summary>The strategy's name and those of its parts, such as <c>fedavg+adam</c>: whose state a saved state is.</summary>
    public string StrategyName { get; }

    /// <summary>The sections of a training update.</summary>
    public UpdateLayout TrainLayout { get; }

    /// <summary>Bytes that go to a client with a training task: the model without what is the clients' own, and what the strategy sends along.</summary>
    public long TaskBytes => ModelBytes + Model.Schema.TrainableCount * sizeof(float) * Definition.Strategy.Broadcasts.Count;

    /// <summary>Bytes of the model without what is the clients' own.</summary>
    public long ModelBytes => (Model.Schema.TrainableCount + Model.Schema.BufferCount) * sizeof(float);

    /// <summary>How updates are written down; null where they are sent as they are.</summary>
    public UpdateCodec? Codec { get; }

    /// <summary>How training updates are written down between processes: by the transforms, or number by number where there are none.</summary>
    public UpdateCodec WireCodec { get; }

    /// <summary>How an evaluation's answers are written down between processes.</summary>
    public UpdateCodec EvaluateCodec { get; }

    /// <summary>How what is summed securely goes through the ring.</summary>
    /// <param name="purpose">Updates, or an evaluation's answers.</param>
    /// <param name="clients">How many clients are invited to the sum.</param>
    /// <param name="clip">The clip of the round, where it adapts.</param>
    /// <returns>The ring.</returns>
    /// <exception cref="FedCoreException">The run's ring is too small for so many (<c>secagg.ring</c>).</exception>
    public UpdateRing RingFor(SumPurpose purpose, int clients, double? clip = null)
    {
        RingOptions options = Definition.SecureAggregation?.Ring ?? new RingOptions();
        if (purpose == SumPurpose.Update && Privacy is { IsAtSites: false }) options = options with { Clip = clip ?? Privacy.Policy.Clip, Noise = Privacy.NoiseFor(clients) };
        return new UpdateRing(purpose == SumPurpose.Update ? WireCodec : EvaluateCodec, options, clients, Definition.Strategy.HasOwnWeights);
    }

    /// <summary>Whether clients keep vectors from round to round.</summary>
    public bool KeepsClientState => Definition.Strategy.KeepsClientState || Codec is { KeepsClientState: true } || Model.Schema.KeepsClientState;

    /// <summary>Bytes that come from a client with an update; where its size depends on its values, an estimate.</summary>
    public long UpdateBytes => Codec?.ByteLength ?? TrainLayout.ByteLength;

    /// <summary>The sections of an evaluation's answer.</summary>
    public UpdateLayout EvaluateLayout { get; }

    /// <summary>Checks a definition and derives what follows from it.</summary>
    /// <param name="definition">The definition, read from a file or written in code.</param>
    /// <param name="registry">The names of its layers, strategy, and so on.</param>
    /// <returns>The plan.</returns>
    /// <exception cref="FedCoreException">The definition contradicts itself or a limit; the message says where.</exception>
    public static RunPlan Create(RunDefinition definition, Registry registry)
    {
        ArgumentNullException.ThrowIfNull(definition);
        ArgumentNullException.ThrowIfNull(registry);
        byte[] canonical = Canonicalize(definition, registry);

        // A definition from code passes the same checks as one from a file.
        JsonObject document = JsonNode.Parse(canonical)!.AsObject();
        if (new SchemaValidator(JsonSchemas.For<RunDefinition>(registry), registry.OtherNames).FirstFault(document) is { } fault)
            throw FedCoreException.Configuration("run.invalid", $"Run '{definition.Name}': {fault}");
        ModelPlan model = definition.Model.Plan(registry);
        CheckConsistency(definition, model);
        RunComposition.Check(definition, model, registry);
        definition.Strategy.Check(definition);
        var plan = new RunPlan(definition, registry, model, canonical);
        RunComposition.CheckWeights(plan);
        PrivacyComposition.CheckLayout(plan);

        // However many there are, the updates themselves must be of a kind that the rule can judge.
        return definition.Aggregator.FaultFor(plan.TrainLayout, int.MaxValue) is { } unfit
            ? throw FedCoreException.Configuration("run.composition", $"aggregator {registry.NameOf(definition.Aggregator)} cannot be used here: {unfit}.")
            : plan;
    }

    /// <summary>Checks the plan against a fleet.</summary>
    /// <param name="population">Number of clients.</param>
    /// <exception cref="FedCoreException">No round could be held (<c>run.cohort</c>).</exception>
    public void CheckPopulation(long population)
    {
        if (population < 1) throw FedCoreException.Configuration("run.cohort", "There are no clients.");
        Definition.Rounds.Cohort.Validate(population);
        Definition.Evaluation.CohortFor(population).Validate(population);
        long wanted = Definition.Rounds.Buffer?.Size ?? Definition.Rounds.Cohort.MostWanted(population);
        if (Definition.Rounds.MinimumReports > wanted)
        {
            throw FedCoreException.Configuration(
                "run.cohort", $"rounds.minimumReports is {Definition.Rounds.MinimumReports}, but a round closes with {wanted} reports of the {population} clients. "
                + "Lower it, or make rounds.cohort larger.");
        }

        int planned = (int)Math.Min(int.MaxValue, wanted), least = Definition.Rounds.MinimumReports ?? planned;
        if (Definition.SecureAggregation is { } secure) CheckSecureSums(secure, population, planned);
        if (Privacy is not null) CheckPrivacy(planned, population);
        if (Definition.Aggregator.For(planned).FaultFor(TrainLayout, least) is { } fault)
        {
            throw FedCoreException.Configuration(
                "run.aggregator", $"aggregator {Registry.NameOf(Definition.Aggregator)} cannot be used here: {fault}, which a round {(least < planned ? "may close with (rounds.minimumReports)" : "wants")}. "
                + "Change its parameters, rounds.cohort, rounds.minimumReports, or the rule.");
        }
    }

    // Before anybody is asked: a ring in which the noise has room, and rounds that the budget is enough for.
    private void CheckPrivacy(int wanted, long population)
    {
        if (Privacy!.Tree is { } tree) CheckTurns(tree, population);
        if (Privacy.HidesCohorts) CheckCohortsAreHidden(population);
        if (!Privacy.IsAtSites) RingFor(SumPurpose.Update, Math.Max(1, wanted));
        PrivacyPolicy policy = Privacy.Policy;
        int affordable = Privacy.AffordableRounds();
        if (affordable >= (policy.StopWhenSpent ? 1 : Definition.Rounds.Count)) return;
        throw FedCoreException.Configuration(PrivacyNumbers.Budget, FormattableString.Invariant(
            $"privacy.epsilon is {policy.Epsilon}, of which a noise multiplier of {Privacy.NoiseMultiplier:0.####} leaves enough for {affordable} of {Definition.Rounds.Count} rounds. ")
            + "Raise privacy.noiseMultiplier or leave it out, hold fewer rounds, or, to stop when the budget is spent, set privacy.stopWhenSpent to true.");
    }

    // A round that is abandoned because too few were drawn shows how many were. That it happens at all must be about as unlikely as delta allows for.
    private void CheckCohortsAreHidden(long population)
    {
        long least = Math.Max(Definition.Rounds.MinimumReports ?? 1, Definition.SecureAggregation?.MinimumCohort ?? 1);
        double rate = Privacy!.SamplingRate, tooFew = least > population ? 1 : SpecialFunctions.BetaRegularized(population - least + 1, least, 1 - rate);
        if (tooFew * Definition.Rounds.Count <= Privacy.Policy.Delta / 10) return;
        throw FedCoreException.Configuration("privacy.sampling-rate", FormattableString.Invariant(
            $"privacy.amplification counts with nobody knowing how many take part, but of {population} clients, each asked with probability {rate}, fewer than {least} are asked in one round of {1 / tooFew:0.#}, which is abandoned then for all to see. ")
            + "Raise the rate, lower rounds.minimumReports, have more clients, or set privacy.amplification to false.");
    }

    // Whether there are enough clients for all rounds, if each takes part as seldom as it must.
    private void CheckTurns(TreePolicy tree, long population)
    {
        double cohort = Privacy!.ExpectedCohort(population);
        if (cohort * Math.Min(tree.MinimumSeparation + 1, Definition.Rounds.Count) > population)
        {
            throw FedCoreException.Configuration(PrivacyNumbers.Separation, FormattableString.Invariant(
                $"privacy.tree.minimumSeparation is {tree.MinimumSeparation}, but with {cohort:0.#} of {population} clients in a round some must come again after {(int)(population / cohort)}. ")
                + "Lower it, or make rounds.cohort smaller.");
        }

        if (cohort * Definition.Rounds.Count > population * (double)(tree.MaximumParticipations ?? int.MaxValue))
        {
            throw FedCoreException.Configuration(PrivacyNumbers.Participations, FormattableString.Invariant(
                $"privacy.tree.maximumParticipations is {tree.MaximumParticipations}, but {Definition.Rounds.Count} rounds of {cohort:0.#} clients need {cohort * Definition.Rounds.Count / population:0.##} of each of {population} in the mean. ")
                + "Raise it, hold fewer rounds, or make rounds.cohort smaller.");
        }
    }

    // Before any key is made: cohorts that are large enough, with a graph and a ring for them.
    private void CheckSecureSums(SecureAggregationPolicy secure, long population, int wanted)
    {
        int evaluating = Definition.Evaluation.Every == 0 ? int.MaxValue : (int)Math.Min(int.MaxValue, Definition.Evaluation.CohortFor(population).MostWanted(population));
        foreach ((int clients, string place, SumPurpose purpose) in ((int, string, SumPurpose)[])[(wanted, "rounds.cohort", SumPurpose.Update), (evaluating, "evaluation.cohort", SumPurpose.Evaluation)])
        {
            if (clients == int.MaxValue) continue;
            if (clients < secure.MinimumCohort)
            {
                throw FedCoreException.Configuration(
                    "run.cohort", $"secureAggregation.minimumCohort is {secure.MinimumCohort}, but {place} has {clients} of the {population} clients. Make it larger, or lower the minimum where all sites agree.");
            }

            secure.GraphFor(clients);
            RingFor(purpose, clients);
        }
    }

    /// <summary>How many examples a site's step is over: those of a batch, or as many as are expected in one whose examples are drawn.</summary>
    /// <param name="work">The task.</param>
    /// <param name="examples">Examples at the site, at least 1.</param>
    /// <returns>The mean over the steps of a pass.</returns>
    public double ExamplesPerStep(ClientTask work, long examples)
    {
        ArgumentNullException.ThrowIfNull(work);
        return Privacy?.BatchRate is { } rate ? rate * examples : examples / (double)LocalWork.StepsPerEpoch(examples, work.BatchSize);
    }

    /// <summary>Whether the run shows something of single clients.</summary>
    /// <param name="what">What it would show.</param>
    /// <returns>True if the definition says so.</returns>
    public bool Discloses(Disclosure what) => Definition.Disclosures.Contains(what);

    /// <summary>Whether the model is evaluated behind a round.</summary>
    /// <param name="round">The round's number, from 1.</param>
    /// <returns>True every so many rounds and behind the last.</returns>
    public bool IsEvaluated(int round)
    {
        int every = Definition.Evaluation.Every;
        return every > 0 && round > 0 && (round % every == 0 || round == Definition.Rounds.Count);
    }

    private static IEnumerable<Section> BufferSection(ModelSchema schema) =>
        schema.BufferCount > 0 ? [new Section(Section.Buffers, SectionRole.Buffer, schema.BufferCount, Weighting.Scalar)] : [];

    private static string NamesIn(JsonNode node) => string.Join(
        '+',
        ((string[])[node is JsonObject map && map[FedCoreJson.Discriminator] is { } name ? name.GetValue<string>() : ""])
            .Concat(node is JsonObject parts ? parts.Where(part => part.Value is JsonObject).Select(part => NamesIn(part.Value!)) : [])
            .Where(name => name.Length > 0));

    private static byte[] Canonicalize(RunDefinition definition, Registry registry)
    {
        try
        {
            return JsonSerializer.SerializeToUtf8Bytes(definition, FedCoreJson.Options(registry));
        }
        catch (NotSupportedException fault)
        {
            throw FedCoreException.Configuration(
                "run.unregistered", "The run uses a type without a name. Register it first: registry.Register<IStrategy, MyStrategy>(\"mine\"). " + fault.Message, fault);
        }
        catch (ArgumentException fault)
        {
            throw FedCoreException.Configuration("run.invalid", $"A number of the run is not finite. {fault.Message}", fault);
        }
    }

    private static void CheckConsistency(RunDefinition run, ModelPlan model)
    {
        if (model.Schema.TrainableCount == 0)
            throw Invalid("model.layers have nothing to train together. Add a layer with weights that is not local, such as {\"type\": \"linear\", \"outputs\": 10}.");
        if (run.Training is { Epochs: not null, Steps: not null })
            throw Invalid("training has both \"epochs\" and \"steps\". Keep one of the two.");
        if (run.Evaluation.FineTune is { Epochs: not null, Steps: not null })
            throw Invalid("evaluation.fineTune has both \"epochs\" and \"steps\". Keep one of the two.");
        if (run.Training.Optimizer is Optimizers.SgdSpec { Nesterov: true, Momentum: 0 })
            throw Invalid("training.optimizer.nesterov needs a momentum. Set training.optimizer.momentum, such as 0.9.");
        if (run.Evaluation.Splits.Distinct().Count() != run.Evaluation.Splits.Count)
            throw Invalid("evaluation.splits names a split twice. Name each once.");
        if (run.Data?.FirstFault() is { } twice) throw Invalid(twice);
        if (run.Data is { } data)
        {
            if (model.Input.Rank != 1 || model.Input[0] != data.Width)
            {
                throw FedCoreException.Configuration(
                    "model.shape", $"data.features make {data.Width} numbers, but model.input is {model.Input}. Set model.input to [{data.Width}].");
            }

            if (model.Label.Width != 1)
            {
                throw FedCoreException.Configuration(
                    "model.shape", $"data.label is one number per example, but the model's output has {model.Label.Width}. Give the last layer one output, or use a loss over classes.");
            }

            if (data.Label.Classes is { } classes && model.Label.Classes != classes.Count)
            {
                throw FedCoreException.Configuration(
                    "model.shape", $"data.label has {classes.Count} classes, but the model tells {model.Label.Classes} apart. Change the last layer's outputs or the loss.");
            }
        }

        if (run.Stop is { AtLeast: null, AtMost: null })
            throw Invalid("stop has neither \"atLeast\" nor \"atMost\". Give one of the two.");
        if (run.Stop is { } stop)
        {
            IEnumerable<string> known = run.Evaluation.Splits.SelectMany(split => new MetricLayout(run.Model.Loss).MeanNames(MetricLayout.Prefix(split)));
            if (!known.Contains(stop.Metric)) throw Invalid($"stop.metric is \"{Shown.Of(stop.Metric)}\". Known here: {string.Join(", ", known)}.");
            if (run.Evaluation.Every == 0) throw Invalid("stop needs evaluations, but evaluation.every is 0. Set it to 1 or more.");
        }
    }

    private static FedCoreException Invalid(string message) => FedCoreException.Configuration("run.invalid", message);
}
