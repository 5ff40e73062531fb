using FedCore.Updates;

namespace FedCore.Rounds.Engine;

/// <summary>Writes the receipt of the open round.</summary>
internal sealed class RoundReceipts(ActiveRun run, Flights flights)
{
    /// <param name="committed">Whether the model changed.</param>
    /// <param name="reason">Why the round closed, or why it was abandoned.</param>
    /// <param name="reported">The places of the clients whose updates were there.</param>
    /// <param name="formed">How their sum was kept from the aggregator; null where it was not, or did not come about.</param>
    public RoundReceipt Write(bool committed, string reason, int[] reported, SecureSumReceipt? formed)
    {
        RoundOpened round = run.State.OpenRound!;
        return new RoundReceipt
        {
            Run = run.Plan.Hash,
            Round = round.Round,
            Committed = committed,
            Reason = reason,
            Opened = round.At,
            Closed = run.State.Closed!.At,
            Wanted = round.Wanted,
            Clients = [.. run.State.InReceipt().Select(ReceiptOf)],
            Contributors = 0,
            Weight = 0,
            Metrics = new Dictionary<string, double>(),
            BytesUp = run.Plan.Definition.SecureAggregation is not null ? formed?.BytesUp ?? 0 : reported.Sum(position => flights[position].Observed?.ByteLength ?? run.Plan.UpdateBytes),
            SecureAggregation = formed,
            Privacy = run.State.OpenNoise is { } reserved ? run.Plan.Privacy!.ReceiptOf(run.State.Privacy, reserved.Noise, run.Noise.IsSimulated(round.Round), run.Plan.Privacy.ClipBehind(run.State.Rounds)) : null,
            BytesDown = Enumerable.Range(0, flights.Count).Skip(round.AtWork ?? 0).Count(position => run.State.OutcomeOf(position) != ClientOutcome.Declined) * run.Plan.TaskBytes,
        };
    }

    private ClientReceipt ReceiptOf(int position)
    {
        Flight flight = flights[position];
        ReplyTaken? reply = run.State.Replies[position];
        ClientWork? work = reply?.Work;
        if (reply is null && flight.Task.Work.MaxSteps is { } planned) work = new ClientWork { Planned = planned };
        if (run.Plan.Discloses(Disclosure.ClientMetrics) && flight.Observed?.Scalars is { } scalars)
        {
            UpdateLayout layout = run.Plan.TrainLayout;
            double examples = scalars[layout.Find(MetricLayout.Examples).Offset], loss = scalars[layout.Find(MetricLayout.Loss).Offset];
            work = (work ?? new ClientWork()) with { Examples = examples, Loss = examples > 0 ? loss / examples : null };
        }

        return new ClientReceipt(flight.Client.Id.Name, reply?.Outcome ?? ClientOutcome.Late, reply?.Reason, work);
    }
}
