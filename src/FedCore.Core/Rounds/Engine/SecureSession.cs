using System.Collections.Concurrent;
using FedCore.Aggregation;
using FedCore.Compression;
using FedCore.SecureAggregation;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Ring;
using FedCore.SecureAggregation.Sessions;
using FedCore.Updates;

namespace FedCore.Rounds.Engine;

/// <summary>One session of secure aggregation over a fleet: sends each stage's messages as tasks, and gives the answers to the aggregator's side of the protocol as they come.</summary>
internal sealed class SecureSession(ActiveRun run, ReplyQueue replies, AggregationResources resources, UpdateRing ring, IReadOnlyList<ReadyClient> members)
{
    private readonly Dictionary<string, int> _numbers = members.Select((member, number) => (member.Client.Id.Name, number)).ToDictionary(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<int, UpdateRefusedException> _lost = new(), _silent = new();
    private SessionTerms? _terms;
    private long _bytesUp;
    private bool _isSummed;

    /// <summary>How what is summed goes through the ring.</summary>
    public UpdateRing Ring => ring;

    /// <summary>Who is not in the sum, by its place among the members, and why.</summary>
    public IReadOnlyDictionary<int, UpdateRefusedException> Lost => _lost;

    /// <summary>Who is in the sum, but did not help to unmask it.</summary>
    public IReadOnlyDictionary<int, UpdateRefusedException> Silent => _silent;

    /// <summary>Whether somebody may have given shares that unmask the sum, behind which there is no other attempt.</summary>
    public bool IsRevealed { get; private set; }

    /// <summary>Holds the session.</summary>
    /// <exception cref="SecureAggregationException">Too few took part, or too few stayed.</exception>
    public async ValueTask<(UpdateSum Sum, SecureSumReceipt Receipt)> HoldAsync(SessionTerms terms, CancellationToken ct)
    {
        _terms = terms;
        var server = new ServerSession(terms, run.Fleet.Identities ?? throw new InvalidOperationException("The fleet's clients have no identities."));
        await AskAsync(SessionStage.Advertise, _numbers.Keys, _ => terms.Encode(), (name, bytes) => server.AcceptAdvertisement(name, bytes), ct).ConfigureAwait(false);
        byte[] list = server.CloseAdvertising();
        await AskAsync(SessionStage.Share, server.Awaited, _ => list, (name, bytes) => server.AcceptShares(name, bytes), ct).ConfigureAwait(false);
        server.CloseSharing();
        using var masked = new PartialRingSums(ring.Encoding, run.Options.Pool);
        await AskAsync(SessionStage.Mask, server.Awaited, server.DeliveryTo, masked, server.AcceptMaskedInput, ct).ConfigureAwait(false);
        int survivors = server.Arrived.Count;
        byte[] set = server.CloseMasking();
        _isSummed = true;
        await AskAsync(SessionStage.Confirm, server.Awaited, _ => set, (name, bytes) => server.AcceptConfirmation(name, bytes), ct).ConfigureAwait(false);
        server.CloseConfirming();
        IsRevealed = true;
        await AskAsync(SessionStage.Unmask, server.Awaited, server.UnmaskRequestTo, (name, bytes) => server.AcceptUnmasking(name, bytes), ct).ConfigureAwait(false);
        using SumMask mask = await server.UnmaskAsync(resources).ConfigureAwait(false);
        RingSum sum = masked.Total();
        await mask.RemoveFromAsync(sum, resources).ConfigureAwait(false);
        return (ring.Read(sum, members[0].Task.Round, survivors, run.Options.Pool), new SecureSumReceipt
        {
            Attempt = terms.Attempt,
            Invited = terms.Invited,
            Members = server.Members.Count,
            Survivors = survivors,
            Degree = Math.Min(terms.Graph.Degree, server.Members.Count - 1),
            Threshold = terms.Graph.Threshold,
            Bits = ring.Encoding.Bits,
            Identities = run.Fleet.Identities.ArePinned ? SecureSumReceipt.Roster : SecureSumReceipt.CuriousServerOnly,
            BytesUp = _bytesUp,
        });
    }

    /// <summary>Sums what the members write into the ring without masks.</summary>
    public async ValueTask<(UpdateSum Sum, SecureSumReceipt Receipt)> SumInTheOpenAsync(CancellationToken ct)
    {
        using var sums = new PartialRingSums(ring.Encoding, run.Options.Pool);
        int survivors = 0;
        await AskAsync(SessionStage.Mask, _numbers.Keys, _ => [], sums, _ => survivors++, ct).ConfigureAwait(false);
        int least = run.Plan.Definition.SecureAggregation!.LeastOf(members.Count);
        if (survivors < least) throw new SecureAggregationException(SecureAggregationCodes.Missing, $"{survivors} of {members.Count} clients can be summed, but the sum is of at least {least}.");
        return (ring.Read(sums.Total(), members[0].Task.Round, survivors, run.Options.Pool), new SecureSumReceipt
        {
            Attempt = 1,
            Invited = members.Count,
            Members = members.Count,
            Survivors = survivors,
            Bits = ring.Encoding.Bits,
            Identities = SecureSumReceipt.InTheOpen,
            BytesUp = _bytesUp,
        });
    }

    private Task AskAsync(SessionStage stage, IEnumerable<string> clients, Func<string, byte[]> messageTo, Action<string, byte[]> accept, CancellationToken ct) =>
        AskAsync(stage, clients, messageTo, (_, answer) => answer.Read(0, checked((int)answer.Length)).ToArray(), accept, ct);

    private Task AskAsync(SessionStage stage, IEnumerable<string> clients, Func<string, byte[]> messageTo, PartialRingSums sums, Action<string> accept, CancellationToken ct) =>
        AskAsync(stage, clients, messageTo, (_, answer) => sums.Add(answer), (name, _) => accept(name), ct);

    // Answers are read on all threads, which in a simulation is where they are computed, and taken one by one.
    private async Task AskAsync<T>(
        SessionStage stage, IEnumerable<string> clients, Func<string, byte[]> messageTo, Func<string, IEncodedUpdate, T> read, Action<string, T> accept, CancellationToken ct)
    {
        List<(string Name, IExchangeAnswer Answer)> answers = await CollectAsync(stage, [.. clients], messageTo, ct).ConfigureAwait(false);
        int next = -1;
        var taking = new Lock();
        async Task WorkAsync()
        {
            while (Interlocked.Increment(ref next) is var i && i < answers.Count)
            {
                (string name, IExchangeAnswer source) = answers[i];
                try
                {
                    using IEncodedUpdate answer = await source.OpenAsync(ct).ConfigureAwait(false);
                    T value = read(name, answer);
                    lock (taking)
                    {
                        accept(name, value);
                        _bytesUp += answer.Length;
                    }
                }
                catch (FedCoreException refusal) when (refusal is UpdateRefusedException or SecureAggregationException)
                {
                    Lose(name, refusal.Code, refusal.Message);
                }
            }
        }

        if (answers.Count > 0) await resources.RunAsync(Math.Clamp(resources.Threads, 1, answers.Count), WorkAsync).ConfigureAwait(false);
    }

    private async ValueTask<List<(string Name, IExchangeAnswer Answer)>> CollectAsync(SessionStage stage, string[] clients, Func<string, byte[]> messageTo, CancellationToken ct)
    {
        TimeSpan limit = TimeSpan.FromSeconds(run.Plan.Definition.SecureAggregation!.StageSeconds);
        using var deadline = new CancellationTokenSource(limit, run.Options.Clock);
        var asked = new Dictionary<SiteTask, string>(ReferenceEqualityComparer.Instance);
        foreach (string name in clients)
        {
            ReadyClient member = members[_numbers[name]];
            var task = new ExchangeTask(member.Task, _terms, stage, messageTo(name), ring, run.Now + limit) { Result = member.Result };
            asked.Add(task, name);
            await run.Fleet.SendAsync(member.Client, task, ct).ConfigureAwait(false);
        }

        var answers = new List<(string, IExchangeAnswer)>(asked.Count);
        while (asked.Count > 0 && await replies.NextByAsync(deadline.Token, ct).ConfigureAwait(false) is { } reply)
        {
            if (!asked.Remove(reply.Task, out string? name)) continue;
            if (reply is { Outcome: ClientOutcome.Reported, Answer: { } answer }) answers.Add((name, answer));
            else Lose(name, reply.Reason ?? "secagg.vanished", $"Client '{name}' left the session at stage {stage}.");
        }

        foreach ((SiteTask task, string name) in asked)
        {
            run.Fleet.Withdraw(task);
            Lose(name, "secagg.late", $"Client '{name}' did not answer in time at stage {stage}.");
        }

        return answers;
    }

    private void Lose(string name, string code, string message) => (_isSummed ? _silent : _lost).TryAdd(_numbers[name], new UpdateRefusedException(code, message));
}

/// <summary>A client that is ready to be summed.</summary>
/// <param name="Client">The client.</param>
/// <param name="Task">The task whose result is summed.</param>
/// <param name="Result">Where the result is, if the client said so.</param>
internal sealed record ReadyClient(ClientDescriptor Client, SiteTask Task, IUpdateSource? Result);
