using System.Collections.Concurrent;
using System.Globalization;
using FedCore.Aggregation;
using FedCore.Compression;
using FedCore.Numerics;
using FedCore.SecureAggregation;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Ring;
using FedCore.SecureAggregation.Sessions;
using FedCore.Updates;

namespace FedCore.Rounds.Engine;

/// <summary>One session of secure aggregation over a fleet: sends each stage's messages as tasks, and gives the answers to the aggregator's side of the protocol as they come.</summary>
internal sealed class SecureSession(ActiveRun run, ReplyQueue replies, AggregationResources resources, UpdateRing ring, IReadOnlyList<ReadyClient> members) : ISessionChannel
{
    private readonly Dictionary<string, int> _numbers = members.Select((member, number) => (member.Client.Id.Name, number)).ToDictionary(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<int, UpdateRefusedException> _lost = new(), _silent = new();
    private readonly ConcurrentDictionary<(int Accuser, int Accused), bool> _accusations = new();
    private readonly TimeSpan _limit = TimeSpan.FromSeconds(run.Plan.Definition.SecureAggregation!.StageSeconds);
    private readonly List<ExchangeTask> _tasks = [];
    private SessionTerms? _terms;
    private SessionHost? _host;
    private IReadOnlyList<string> _keyed = [];
    private SessionStage _stage;
    private long _bytesUp;

    /// <summary>How what is summed goes through the ring.</summary>
    public UpdateRing Ring => ring;

    /// <summary>The round.</summary>
    public int Round => members[0].Task.Round;

    /// <summary>The members' names, in cohort order.</summary>
    public IReadOnlyList<string> Clients { get; } = [.. members.Select(member => member.Client.Id.Name)];

    /// <summary>The tasks whose results are summed.</summary>
    public IEnumerable<SiteTask> Tasks => members.Select(member => member.Task);

    /// <summary>Who is not in the sum, by its place among the members, and why.</summary>
    public IReadOnlyDictionary<int, UpdateRefusedException> Lost => _lost;

    /// <summary>Who is in the sum, but did not help to unmask it.</summary>
    public IReadOnlyDictionary<int, UpdateRefusedException> Silent => _silent;

    /// <summary>
    /// Who is left out of another attempt, by its place among the members, and why: those who were lost. But where so many accuse one of them of what made them leave that one of the accusers
    /// must be honest, it is left out, and they are not.
    /// </summary>
    public IEnumerable<KeyValuePair<int, UpdateRefusedException>> LeftOut
    {
        get
        {
            int needed = _terms is { } terms && terms.Graph.Degree < _keyed.Count - 1 ? terms.Graph.Threshold : _keyed.Count / 3 + 1;
            int[] convicted = [.. _accusations.Keys.GroupBy(accusation => accusation.Accused, accusation => accusation.Accuser).Where(accusers => accusers.Count() >= needed).Select(accusers => accusers.Key)];
            return _lost.Concat(_silent)
                .Where(lost => !convicted.Contains(lost.Key) && !convicted.Any(accused => _accusations.ContainsKey((lost.Key, accused))))
                .Concat(convicted.Select(accused => KeyValuePair.Create(
                    accused, new UpdateRefusedException(SecureAggregationCodes.Share, $"{_accusations.Keys.Count(accusation => accusation.Accused == accused)} others cannot open the shares of client '{Clients[accused]}'."))));
        }
    }

    /// <summary>Whether somebody may have given shares that unmask the sum, behind which there is no other attempt.</summary>
    public bool IsRevealed => _host is { IsRevealed: true };

    /// <summary>Holds the session.</summary>
    /// <exception cref="SecureAggregationException">Too few took part, or too few stayed.</exception>
    public async ValueTask<(UpdateSum Sum, SecureSumReceipt Receipt)> HoldAsync(SessionTerms terms, int least, CancellationToken ct)
    {
        _terms = terms;
        ISiteIdentities identities = run.Fleet.Identities ?? throw new InvalidOperationException("The fleet's clients have no identities.");
        using var server = new ServerSession(terms, identities, least);
        _host = new SessionHost(terms, server, this, resources);
        (RingSum sum, FlatVector memory) = await _host.HoldAsync(ring.Encoding, Clients, ct).ConfigureAwait(false);
        return (Read(sum, memory, _host.Survivors), new SecureSumReceipt
        {
            Attempt = terms.Attempt,
            Invited = terms.Invited,
            Members = server.Members.Count,
            Survivors = _host.Survivors,
            Degree = Math.Min(terms.Graph.Degree, server.Members.Count - 1),
            Threshold = terms.Graph.Threshold,
            Bits = ring.Encoding.Bits,
            Identities = identities.ArePinned ? SecureSumReceipt.Roster : SecureSumReceipt.CuriousServerOnly,
            BytesUp = _bytesUp,
        });
    }

    /// <summary>Sums what the members write into the ring without masks.</summary>
    public async ValueTask<(UpdateSum Sum, SecureSumReceipt Receipt)> SumInTheOpenAsync(int attempt, int minimum, CancellationToken ct)
    {
        using var sums = new PartialRingSums(ring.Encoding, resources.Pool);
        int survivors = 0;
        await AskAsync(SessionStage.Mask, Clients, _ => [], sums.Add, (_, _) => survivors++, () => false, ct).ConfigureAwait(false);
        int least = Math.Max(minimum, run.Plan.Definition.SecureAggregation!.LeastOf(members.Count));
        if (survivors < least) throw new SecureAggregationException(SecureAggregationCodes.Missing, $"{survivors} of {members.Count} clients can be summed, but the sum is of at least {least}.");
        (RingSum sum, FlatVector memory) = sums.Total();
        return (Read(sum, memory, survivors), new SecureSumReceipt
        {
            Attempt = attempt,
            Invited = members.Count,
            Members = members.Count,
            Survivors = survivors,
            Bits = ring.Encoding.Bits,
            Identities = SecureSumReceipt.InTheOpen,
            BytesUp = _bytesUp,
        });
    }

    // A stage that an earlier process closed is not opened again: those who count have answered, and their answers are still there.
    public async Task AskAsync(
        SessionStage stage, IReadOnlyList<string> clients, Func<string, byte[]> messageTo, Func<IEncodedUpdate, byte[]> read, Action<string, byte[]> accept, Func<bool> isEnough, CancellationToken ct)
    {
        _stage = stage;
        if (stage == SessionStage.Share) _keyed = clients;
        IReadOnlyList<string>? closed = _terms is null ? null : run.State.ClosedStages.FirstOrDefault(before => before.Stage == stage)?.Clients;
        if (closed is not null)
        {
            foreach (string name in clients.Except(closed)) Lose(name, "secagg.late", $"Client '{name}' had not answered when stage {stage} was closed.");
            clients = closed;
        }

        var accepted = new List<string>();
        await TakeAsync(await SendAsync(stage, clients, messageTo, ct).ConfigureAwait(false), read, (name, value) =>
        {
            accept(name, value);
            accepted.Add(name);
        }, isEnough, ct).ConfigureAwait(false);

        // Whose shares there are in the end changes nothing of the sum: the last stage is as long open as it takes.
        if (_terms is not null && closed is null && stage != SessionStage.Unmask) await run.RecordAsync(new SumStageClosed(_terms.Round, stage, [.. accepted.Order(StringComparer.Ordinal)]), ct).ConfigureAwait(false);
    }

    /// <summary>Gives back what the fleet keeps for the session.</summary>
    public void Release()
    {
        foreach (ExchangeTask task in _tasks) run.Fleet.Release(task);
        _tasks.Clear();
    }

    private async ValueTask<Dictionary<SiteTask, string>> SendAsync(SessionStage stage, IReadOnlyList<string> clients, Func<string, byte[]> messageTo, CancellationToken ct)
    {
        var asked = new Dictionary<SiteTask, string>(ReferenceEqualityComparer.Instance);
        foreach (string name in clients)
        {
            ReadyClient member = members[_numbers[name]];
            var task = new ExchangeTask(member.Task, _terms, stage, messageTo(name), ring, run.Now + _limit) { Result = member.Result };
            asked.Add(task, name);
            _tasks.Add(task);
            await run.Fleet.SendAsync(member.Client, task, ct).ConfigureAwait(false);
        }

        return asked;
    }

    // Answers are taken as they come: those that are there together on all threads, which in a simulation is where they are computed.
    private async Task TakeAsync(Dictionary<SiteTask, string> asked, Func<IEncodedUpdate, byte[]> read, Action<string, byte[]> accept, Func<bool> isEnough, CancellationToken ct)
    {
        using var deadline = new CancellationTokenSource(_limit, run.Options.Clock);
        while (asked.Count > 0 && !isEnough() && await replies.NextByAsync(deadline.Token, ct).ConfigureAwait(false) is { } reply)
        {
            var answers = new List<(string Name, IExchangeAnswer Answer)>();
            do
            {
                if (!asked.Remove(reply.Task, out string? name)) continue;
                if (reply is { Outcome: ClientOutcome.Reported, Answer: { } answer }) answers.Add((name, answer));
                else Refuse(name, reply.Reason ?? "secagg.vanished");
            }
            while (replies.TryNext(out reply));

            await ReadAsync(answers, read, accept, ct).ConfigureAwait(false);
        }

        foreach ((SiteTask task, string name) in asked)
        {
            run.Fleet.Withdraw(task);
            if (!isEnough()) Lose(name, "secagg.late", $"Client '{name}' did not answer in time.");
        }
    }

    private async Task ReadAsync(List<(string Name, IExchangeAnswer Answer)> answers, Func<IEncodedUpdate, byte[]> read, Action<string, byte[]> accept, CancellationToken ct)
    {
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
                    byte[] value = read(answer);
                    lock (taking)
                    {
                        accept(name, value);
                        _bytesUp += answer.Length;
                    }
                }
                catch (FedCoreException refusal) when (refusal is UpdateRefusedException or SecureAggregationException)
                {
                    if ((refusal as SecureAggregationException)?.Accused is { } accused) Accuse(name, accused);
                    Lose(name, refusal.Code, refusal.Message);
                }
            }
        }

        if (answers.Count > 0) await resources.RunAsync(Math.Clamp(resources.Threads, 1, answers.Count), WorkAsync).ConfigureAwait(false);
    }

    private UpdateSum Read(RingSum sum, FlatVector memory, int survivors)
    {
        if (ring.Encoding.Noise is { IsShared: false }) run.Noise.AddNoise(sum);
        UpdateSum read = ring.Read(sum, Round, survivors, resources.Pool);
        resources.Pool.Return(memory);
        return read;
    }

    // A client that says whose fault it is does so by a number behind the reason code.
    private void Refuse(string name, string reason)
    {
        string code = reason;
        if (reason.StartsWith(SecureAggregationCodes.Share + ".", StringComparison.Ordinal) && int.TryParse(reason.AsSpan(SecureAggregationCodes.Share.Length + 1), CultureInfo.InvariantCulture, out int accused))
        {
            code = SecureAggregationCodes.Share;
            Accuse(name, accused);
        }

        Lose(name, code, $"Client '{name}' left the session.");
    }

    // The number is that in the list of keys, which is in the order of the names.
    private void Accuse(string name, int number)
    {
        if (number >= 0 && number < _keyed.Count && _keyed[number] != name) _accusations.TryAdd((_numbers[name], _numbers[_keyed[number]]), true);
    }

    private void Lose(string name, string code, string message) => (_stage > SessionStage.Mask ? _silent : _lost).TryAdd(_numbers[name], new UpdateRefusedException(code, message));
}

/// <summary>A client that is ready to be summed.</summary>
/// <param name="Client">The client.</param>
/// <param name="Task">The task whose result is summed.</param>
/// <param name="Result">Where the result is, if the client said so.</param>
internal sealed record ReadyClient(ClientDescriptor Client, SiteTask Task, IUpdateSource? Result);
