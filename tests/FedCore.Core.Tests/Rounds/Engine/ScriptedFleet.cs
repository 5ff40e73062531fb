using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Threading.Channels;
using FedCore.Rounds;
using FedCore.SecureAggregation.Identity;
using FedCore.Updates;

namespace FedCore.Core.Tests.Rounds.Engine;

/// <summary>What a client does with a task: after so many seconds it answers; never, where they are infinite.</summary>
internal sealed record Answer(double Seconds = 0, ClientOutcome Outcome = ClientOutcome.Reported, string? Reason = null)
{
    public static Answer Never { get; } = new(double.PositiveInfinity);
}

/// <summary>Clients whose answers a script decides. Whoever waits for a reply moves the clock on, to the next reply or the next alarm.</summary>
internal sealed class ScriptedFleet(ManualClock clock, long count) : ChannelReader<FleetReply>, IFleet, IClientDirectory
{
    private readonly List<(DateTimeOffset At, FleetReply Reply)> _coming = [];
    private readonly Dictionary<SiteTask, ClientDescriptor> _clients = new(ReferenceEqualityComparer.Instance);

    /// <summary>The script for training tasks; by default everybody reports at once.</summary>
    public Func<TrainTask, IEnumerable<Answer>> OnTrain { get; set; } = _ => [new Answer()];

    /// <summary>The script for training tasks by the client's index, in place of <see cref="OnTrain"/>.</summary>
    public Func<long, IEnumerable<Answer>>? OnTrainOf { get; set; }

    /// <summary>Hears of every training task, when it is handed to a client.</summary>
    public Action<long>? OnSent { get; set; }

    /// <summary>Hears of every training task, while its model stands still.</summary>
    public Action<TrainTask>? OnTrained { get; set; }

    /// <summary>The clients whose training tasks have no reply yet, in the order in which they were asked.</summary>
    public List<long> AtWork { get; } = [];

    /// <summary>The script for evaluations.</summary>
    public Func<EvaluateTask, IEnumerable<Answer>> OnEvaluate { get; set; } = _ => [new Answer()];

    /// <summary>The clients' side of secure aggregation: what they answer, or null for nothing.</summary>
    public Func<ExchangeTask, ClientDescriptor, FleetReply?> OnExchange { get; set; } = (_, _) => null;

    public ISiteIdentities? Identities { get; set; }

    /// <summary>The hash of what a client was given to do.</summary>
    public Func<SiteTask, byte[]> Assignment { get; set; } = _ => new byte[32];

    public ReadOnlyMemory<byte> AssignmentOf(SiteTask task) => Assignment(task);

    /// <summary>The messages of secure aggregation of which the fleet need keep no answer any more.</summary>
    public List<ExchangeTask> Released { get; } = [];

    /// <summary>Hears of each of them.</summary>
    public Action<ExchangeTask, string> OnRelease { get; set; } = (_, _) => { };

    public void Release(ExchangeTask task)
    {
        Released.Add(task);
        OnRelease(task, ClientOf(task));
    }

    /// <summary>What a reporting client sends.</summary>
    public Func<SiteTask, ClientDescriptor, IUpdateSource> Update { get; set; } = ScriptedUpdate.Of;

    public List<SiteTask> Sent { get; } = [];

    public List<SiteTask> Withdrawn { get; } = [];

    public List<(TrainTask Task, bool Counts)> Settled { get; } = [];

    public IClientDirectory Clients => this;

    public ChannelReader<FleetReply> Replies => this;

    long IClientDirectory.Count => count;

    public ClientDescriptor Get(long index) => Describe(new(index, new ClientId(string.Create(CultureInfo.InvariantCulture, $"c{index}"))));

    /// <summary>What a client says of itself beside its name.</summary>
    public Func<ClientDescriptor, ClientDescriptor> Describe { get; set; } = client => client;

    /// <summary>How many steps a client says that it took.</summary>
    public int? Steps { get; set; }

    /// <summary>Whether updates that were replied outlast the process.</summary>
    public bool KeepsUpdates { get; set; }

    /// <summary>The tasks whose updates were asked for again.</summary>
    public List<TrainTask> Recalled { get; } = [];

    /// <summary>Whether an update that was replied is still there.</summary>
    public Func<TrainTask, bool> IsKept { get; set; } = _ => true;

    /// <summary>How many clients each round waited for before it was opened.</summary>
    public List<int> Waited { get; } = [];

    public IUpdateSource? Recall(ClientDescriptor from, TrainTask task)
    {
        Recalled.Add(task);
        return IsKept(task) ? Update(task, from) : null;
    }

    public ValueTask WaitAsync(int needed, int abandoned, CancellationToken ct)
    {
        Waited.Add(needed);
        return ValueTask.CompletedTask;
    }

    /// <summary>The name of the client that was given a task.</summary>
    public string ClientOf(SiteTask task) => _clients[task].Id.Name;

    /// <summary>Lets a reply of the test's own come at once.</summary>
    public void Inject(FleetReply reply) => _coming.Add((clock.GetUtcNow(), reply));

    public ValueTask SendAsync(ClientDescriptor to, SiteTask task, CancellationToken ct)
    {
        Sent.Add(task);
        _clients[task] = to;
        if (task is TrainTask)
        {
            AtWork.Add(to.Index);
            OnSent?.Invoke(to.Index);
            OnTrained?.Invoke((TrainTask)task);
        }

        if (task is ExchangeTask exchange)
        {
            if (OnExchange(exchange, to) is { } reply) _coming.Add((clock.GetUtcNow(), reply));
            return ValueTask.CompletedTask;
        }

        foreach (Answer answer in task is TrainTask train ? OnTrainOf?.Invoke(to.Index) ?? OnTrain(train) : OnEvaluate((EvaluateTask)task))
        {
            if (double.IsInfinity(answer.Seconds)) continue;
            IUpdateSource? update = answer.Outcome == ClientOutcome.Reported ? Update(task, to) : null;
            _coming.Add((clock.GetUtcNow().AddSeconds(answer.Seconds), new FleetReply(task, answer.Outcome, update, answer.Reason, Steps)));
        }

        return ValueTask.CompletedTask;
    }

    public void Withdraw(SiteTask task)
    {
        Withdrawn.Add(task);
        _coming.RemoveAll(coming => ReferenceEquals(coming.Reply.Task, task));
    }

    public void Settle(TrainTask task, bool counts) => Settled.Add((task, counts));

    public override bool TryRead([MaybeNullWhen(false)] out FleetReply item)
    {
        int next = Next();
        bool isThere = next >= 0 && _coming[next].At <= clock.GetUtcNow();
        item = isThere ? _coming[next].Reply : null;
        if (isThere) _coming.RemoveAt(next);
        if (item?.Task is TrainTask task && _clients.TryGetValue(task, out ClientDescriptor? client)) AtWork.Remove(client.Index);
        return isThere;
    }

    public override ValueTask<bool> WaitToReadAsync(CancellationToken cancellationToken = default)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            DateTimeOffset? reply = Next() is >= 0 and var next ? _coming[next].At : null, alarm = clock.NextAlarm;
            if (reply is null && alarm is null) return new ValueTask<bool>(false);
            clock.MoveTo(alarm is null || reply <= alarm ? reply!.Value : alarm.Value);
            if (alarm is null || reply <= alarm) return new ValueTask<bool>(true);
        }

        return ValueTask.FromCanceled<bool>(cancellationToken);
    }

    // The earliest; among equals the one that was sent first.
    private int Next()
    {
        int best = _coming.Count - 1;
        for (int i = best - 1; i >= 0; i--)
            if (_coming[i].At <= _coming[best].At) best = i;
        return best;
    }
}
