using FedCore.Aggregation;
using FedCore.Models;
using FedCore.Naming;
using FedCore.Privacy;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Clipping;
using FedCore.Rounds.Selection;
using FedCore.Updates;

namespace FedCore.Rounds.Privacy;

/// <summary>With which parts of a run its promise would not hold, and why.</summary>
internal static class PrivacyComposition
{
    /// <exception cref="FedCoreException">A number is out of range (each with its own code), or a part of the run breaks the promise (<c>privacy.composition</c>).</exception>
    public static void Check(RunDefinition run, ModelPlan model, Registry registry)
    {
        PrivacyPolicy privacy = run.Privacy!;
        PrivacyNumbers.Clip(privacy.Clip, "privacy.clip");
        PrivacyNumbers.Delta(privacy.Delta, "privacy.delta");
        if (privacy.NoiseMultiplier is { } noise) PrivacyNumbers.NoiseMultiplier(noise, "privacy.noiseMultiplier");
        if (privacy.Epsilon is { } epsilon) PrivacyNumbers.Epsilon(epsilon, "privacy.epsilon");
        if (privacy is { NoiseMultiplier: null, Epsilon: null })
            throw Refused("privacy has neither a \"noiseMultiplier\" nor an \"epsilon\". Give an epsilon, such as 8, for as little noise as keeps it, or a noise multiplier.");
        if (privacy is { StopWhenSpent: true, Epsilon: null } or { StopWhenSpent: true, NoiseMultiplier: null })
            throw Refused("privacy.stopWhenSpent holds rounds until the epsilon is spent, which needs both \"epsilon\" and \"noiseMultiplier\". Give both, or leave it out.");
        if (privacy.AdaptiveClip is { CountNoise: { } count } && privacy.NoiseMultiplier is { } both) AdaptiveClip.ValueNoiseMultiplier(both, count);
        CheckUnit(run, privacy);
        bool isShared = privacy.Mechanism is null or PrivacyMechanism.Distributed;
        if (privacy is { Accountant: AccountantKind.Pld, Unit: PrivacyUnit.Client } && run.SecureAggregation is { } secure && (isShared || secure.Bits is not null || secure.Scale is not null))
            throw Refused("privacy.accountant is pld, but how noise that clients share adds up, or noise of few steps in a ring that the run chose, is known by Renyi divergences alone. Leave it out.");
        if (privacy.Unit == PrivacyUnit.Example)
        {
            CheckExamples(run, model, privacy);
        }
        else
        {
            CheckMechanism(run, privacy);
            CheckTree(privacy);
            CheckSelection(run, privacy, registry);
            CheckContributions(run, model, registry);
        }

        // Metrics of training are not sent at all.
        if (run.Disclosures.Contains(Disclosure.ClientMetrics))
            throw Refused("disclosures names clientMetrics, which shows of single clients what the noise hides. Leave it out.");
        if (run.Rounds.Buffer is not null)
            throw Refused("rounds.buffer counts updates by their staleness and ends with whoever comes first: no mean over a fixed number of clients, and no round that a client's part in it is counted by. Leave it out.");
        if (run.Evaluation.Every > 0 && !privacy.PublicEvaluation)
        {
            throw Refused("evaluation.every is above 0: an evaluation at the clients shows sums of their metrics without noise. Set evaluation.every to 0; or, where the examples that it uses are nobody's secret, such as a published "
                + "benchmark, privacy.publicEvaluation to true.");
        }

        if (run.Evaluation is { Every: > 0 } evaluation && evaluation.Splits.Contains(DataSplit.Train))
            throw Refused("evaluation.splits contains train: the examples that clients train on are what the run protects. Leave it out.");
        if (run.Evaluation is { Every: > 0, FineTune: not null })
            throw Refused("evaluation.fineTune trains on the clients' examples before it shows metrics. Leave it out.");
    }

    /// <exception cref="FedCoreException">The strategy sends more than one clipped vector (<c>privacy.composition</c>).</exception>
    public static void CheckLayout(RunPlan plan)
    {
        if (plan.Definition.Privacy is null) return;
        if (plan.Definition.Strategy.HasOwnWeights)
            throw Refused($"strategy {plan.Registry.NameOf(plan.Definition.Strategy)} sends a weight of its own beside the change of the model, which no noise protects. Use fedavg or fedprox.");
        if (plan.Privacy!.IsAtSites) return;
        Section? other = plan.TrainLayout.Sections.FirstOrDefault(section => section.Role is not (SectionRole.Model or SectionRole.Weight) && section.Name != Section.Unclipped);
        if (other is not null)
            throw Refused($"strategy {plan.Registry.NameOf(plan.Definition.Strategy)} sends '{other.Name}' beside the change of the model, which no noise protects. Use fedavg or fedprox.");
    }

    private static void CheckUnit(RunDefinition run, PrivacyPolicy privacy)
    {
        if (privacy is { Unit: PrivacyUnit.Client, Mechanism: PrivacyMechanism.Site })
            throw Refused("privacy.mechanism is site, which hides examples and not what a client is as a whole. Set privacy.unit to \"example\", or use another mechanism.");
        if (privacy is { Unit: PrivacyUnit.Example, Mechanism: not null and not PrivacyMechanism.Site })
            throw Refused("privacy.unit is \"example\", but noise on a sum of clients' updates is measured by whole clients. Leave privacy.mechanism out, or set privacy.unit to \"client\", which hides each example with its client.");
        if (privacy is { Unit: PrivacyUnit.Client, SamplingRate: not null })
            throw Refused("privacy.samplingRate makes the batches where examples are hidden, but privacy.unit is \"client\". Leave it out; clients are drawn by rounds.cohort and privacy.amplification.");
        if (privacy.Unit == PrivacyUnit.Client) return;
        if (run.Strategy.TakesExampleMeans)
        {
            if (privacy.SamplingRate is null) return;
            throw Refused("privacy.samplingRate makes the batches of a training, but the strategy asks for means over all examples. Leave it out.");
        }

        if (privacy.SamplingRate is not { } rate)
            throw FedCoreException.Configuration("privacy.sampling-rate", "privacy.unit is \"example\", but privacy.samplingRate is not set: the probability with which an example is in a batch. Give one, such as 0.01, with which a site of 5000 examples has batches of 50.");
        PrivacyNumbers.SamplingRate(rate, "privacy.samplingRate");
        double passes = (run.Training.Epochs ?? 1) * Math.Ceiling(1 / rate);
        if (run.Training.Steps is null && passes > int.MaxValue)
            throw FedCoreException.Configuration("privacy.sampling-rate", FormattableString.Invariant($"privacy.samplingRate is {rate}, with which a round has {passes:G3} batches for each example to come as often as training.epochs says. Raise it, or set training.steps."));
        if (run.Training.BatchSize != new TrainingPlan { LearningRate = 1 }.BatchSize)
            throw Refused("training.batchSize is set, but batches are drawn with privacy.samplingRate: of so many times a site's number of examples in the mean. Leave training.batchSize out.");
    }

    private static void CheckTree(PrivacyPolicy privacy)
    {
        if (privacy.Mechanism != PrivacyMechanism.Tree)
        {
            if (privacy.Tree is null) return;
            throw Refused("privacy.tree says how clients take part where noise is in trees, but privacy.mechanism is not tree. Set it, or leave privacy.tree out.");
        }

        if (privacy.Amplification)
            throw Refused("privacy.amplification counts with cohorts that are drawn in secret, which the mechanism tree is there to do without. Leave it out, or use the mechanism central.");
        if (privacy.AdaptiveClip is not null)
            throw Refused("privacy.adaptiveClip changes the clip from round to round, but a tree adds up sums of all rounds under one clip. Leave it out.");
    }

    // What sites make of noisy gradients, and others of that, is as private as the gradients are: weights, rules and transforms are free.
    private static void CheckExamples(RunDefinition run, ModelPlan model, PrivacyPolicy privacy)
    {
        if (model.Schema.BufferCount + model.Schema.LocalBufferCount > 0)
            throw Refused("model.layers keep running statistics, as batch normalisation does, with which the gradient of an example depends on the others of its batch. Use groupNorm or layerNorm.");
        if (run.Data is { Standardize: true })
            throw Refused("data.standardize shifts and scales each example by the means and deviations of all at its site, which no noise protects. Set it to false, and give data.features a center and a scale that all sites agree on.");
        if (run.Data is { Missing: MissingValues.Mean })
            throw Refused("data.missing is mean: the mean of all examples at a site stands in one of them, and no noise protects it. Use zero; or refuse, with which a record that lacks a value counts as one without a gradient.");
        if (run.Data is { Missing: MissingValues.DropExample })
            throw Refused("data.missing is dropExample: how many examples a site has would say in how many a value is missing. Use zero; or refuse, with which a record that lacks a value counts as one without a gradient.");
        if (privacy.AdaptiveClip is not null)
            throw Refused("privacy.adaptiveClip follows how long the updates of clients are, but privacy.unit is \"example\". Leave it out.");
        if (privacy.Tree is not null)
            throw Refused("privacy.tree says how clients take part where noise is in trees, but privacy.unit is \"example\". Leave it out.");
        if (privacy.Amplification)
            throw Refused("privacy.amplification hides which clients take part, but each site counts the rounds in which it did. With the unit \"example\", batches are drawn in secret already. Leave it out.");
    }

    private static void CheckMechanism(RunDefinition run, PrivacyPolicy privacy)
    {
        if (privacy.Mechanism == PrivacyMechanism.Distributed && run.SecureAggregation is null)
            throw Refused("privacy.mechanism is distributed: such noise is each client's share of what protects all, and hides nobody's own update. Add \"secureAggregation\": {}, or use the mechanism central.");
        if (privacy.Mechanism is PrivacyMechanism.Central or PrivacyMechanism.Tree && run.SecureAggregation is not null && run.SecureAggregation.Bits is < 24)
            throw Refused("privacy.mechanism lets the aggregator add the noise, and the aggregator's noise is as wide as all clients' together, for which secureAggregation.bits is too small. Leave it out.");
        if (run.SecureAggregation is { } secure && secure.Clip != new SecureAggregationPolicy().Clip && secure.Clip != privacy.Clip)
            throw Refused(FormattableString.Invariant($"secureAggregation.clip is {secure.Clip}, but privacy.clip is {privacy.Clip}. Leave the first out: the second holds for both."));
    }

    private static void CheckContributions(RunDefinition run, ModelPlan model, Registry registry)
    {
        if (run.Aggregator is not WeightedMean)
        {
            throw Refused($"aggregator {registry.NameOf(run.Aggregator)} is no sum: what one client changes of its result has no bound that noise could be measured by. Use the aggregator weightedMean.");
        }

        if (run.Training.WeightBy != WeightBy.Uniform)
        {
            throw Refused("training.weightBy is \"examples\": a client with many would change the mean by more than the clip, and the sum of the weights is itself a secret. "
                + "Set training.weightBy to \"uniform\".");
        }

        if (model.Schema.BufferCount > 0)
            throw Refused("model.layers keep running statistics, as batch normalisation does, which are means over a client's examples that no noise protects. Use groupNorm or layerNorm, or let the layers be local.");
        if (run.Transforms.Count > 0)
            throw Refused("transforms change a contribution behind its clip, so that it may be longer. Leave transforms out.");
        if (run.Disclosures.Contains(Disclosure.IndividualUpdates))
            throw Refused("disclosures names individualUpdates, which shows of single clients what the noise hides. Leave it out.");
    }

    private static void CheckSelection(RunDefinition run, PrivacyPolicy privacy, Registry registry)
    {
        if (!privacy.Amplification) return;
        if (run.SecureAggregation is not null)
            throw Refused("privacy.amplification counts on this: nobody who gets the model knows who took part. In a secure sum each client knows who the others are. Leave secureAggregation out, for an aggregator that is trusted with updates; or set privacy.amplification to false.");
        if (run.Rounds.Cohort is PoissonSelection) return;
        throw FedCoreException.Configuration("privacy.sampling-rate", run.Rounds.Cohort is AllClients
            ? "privacy.amplification counts with nobody knowing who takes part, but rounds.cohort asks all. Use a poisson cohort, such as {\"type\": \"poisson\", \"rate\": 0.1}, or set it to false."
            : $"privacy.amplification counts with each client taking part with one probability, independently of all others and of what it can do, but a {registry.NameOf(run.Rounds.Cohort)} cohort does not choose so. "
                + "Use a poisson cohort, such as {\"type\": \"poisson\", \"rate\": 0.1}, or set it to false.");
    }

    private static FedCoreException Refused(string message) => FedCoreException.Configuration("privacy.composition", message);
}
