using FedCore.Aggregation;
using FedCore.Rounds.Selection;
using FedCore.SecureAggregation;
using FedCore.SecureAggregation.Messages;
using FedCore.Updates;

namespace FedCore.Rounds.Engine;

/// <summary>Evaluates the model behind a round on the data of a cohort of its own.</summary>
internal sealed class FederatedEvaluation(ActiveRun run, ClientSelection selection, ReplyQueue replies, Flights flights, AggregationResources resources, SecureSum? secure)
{
    // Who evaluates, in cohort order.
    private readonly List<ClientDescriptor> _asked = [];

    public async ValueTask EvaluateAsync(CancellationToken ct)
    {
        EvaluationPlan evaluation = run.Plan.Definition.Evaluation;
        int round = run.State.LastRound;
        _asked.Clear();
        Cohort cohort = evaluation.CohortFor(run.Fleet.Clients.Count).Select(selection.ContextFor(round, "evaluation"));
        for (int position = 0; position < cohort.Members.Count; position++)
        {
            var task = new EvaluateTask(evaluation.Splits, round, position, cohort.Members.Count, run.Server.Model, run.Plan.EvaluateLayout) { FineTune = evaluation.FineTune };
            _asked.Add(run.Fleet.Clients.Get(cohort.Members[position]));
            await run.Fleet.SendAsync(_asked[position], task, ct).ConfigureAwait(false);
        }

        FleetReply[] answers = await CollectAsync(round, cohort.Members.Count, ct).ConfigureAwait(false);
        FleetReply[] reported = [.. answers.Where(reply => reply.Outcome == ClientOutcome.Reported)];
        (AggregationResult result, SecureSumReceipt? formed) = await SumAsync(reported, ct).ConfigureAwait(false);
        run.Options.Pool.Return(result.Sum.Vector);
        EvaluationReceipt receipt = ReceiptOf(round, result.Sum, reported.Length, cohort.Members.Count);
        if (formed is not null) receipt = receipt with { BytesUp = formed.BytesUp, SecureAggregation = formed };
        await run.RecordAsync(new EvaluationEnded(receipt), ct).ConfigureAwait(false);
    }

    // Where no secure sum comes about the evaluation has no result, and says so by having nobody in it.
    private async ValueTask<(AggregationResult Result, SecureSumReceipt? Formed)> SumAsync(FleetReply[] reported, CancellationToken ct)
    {
        if (secure is null)
            return (await new WeightedMean().AggregateAsync(run.Plan.EvaluateLayout, [.. reported.Select(reply => reply.Update!)], resources, ct).ConfigureAwait(false), null);
        try
        {
            return await secure.SumAsync(
                SumPurpose.Evaluation, [.. reported.Select(reply => new ReadyClient(_asked[reply.Task.Position], reply.Task, reply.Update))], 0, ct).ConfigureAwait(false);
        }
        catch (SecureAggregationException)
        {
            return (new AggregationResult(new UpdateSum(run.Plan.EvaluateLayout, run.Options.Pool.Rent(0), new double[run.Plan.EvaluateLayout.ScalarCount], 0), []), null);
        }
    }

    // Of a buffered run some are training meanwhile; what they send waits for the next round.
    private async ValueTask<FleetReply[]> CollectAsync(int round, int count, CancellationToken ct)
    {
        var trained = new List<FleetReply>();
        var answers = new FleetReply?[count];
        for (int pending = count; pending > 0;)
        {
            FleetReply reply = await replies.NextAsync(ct).ConfigureAwait(false);
            if (flights.PositionOf(reply.Task) is not null) trained.Add(reply);
            if (reply.Task is not EvaluateTask task || task.Round != round || answers[task.Position] is not null) continue;
            answers[task.Position] = reply;
            pending--;
        }

        foreach (FleetReply reply in trained) replies.Keep(reply);
        return answers!;
    }

    private EvaluationReceipt ReceiptOf(int round, UpdateSum sum, int reported, int asked)
    {
        var metrics = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (string prefix in run.Plan.Definition.Evaluation.Splits.Select(MetricLayout.Prefix))
            foreach ((string name, double value) in run.Plan.Metrics.Means(sum, prefix, prefix)) metrics[name] = value;
        return new EvaluationReceipt
        {
            Round = round,
            Contributors = sum.Contributors,
            Metrics = metrics,
            Distributions = run.Plan.Distributions
                .Select(name => (Name: name, Found: ClientDistribution.From(sum, DistributionPlan.SectionOf(name))))
                .Where(distribution => distribution.Found is not null).ToDictionary(d => d.Name, d => d.Found!, StringComparer.Ordinal),
            BytesUp = reported * run.Plan.EvaluateLayout.ByteLength,
            BytesDown = asked * run.Plan.ModelBytes,
        };
    }
}
