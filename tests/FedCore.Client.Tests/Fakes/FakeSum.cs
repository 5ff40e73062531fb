using System.Buffers;
using System.Security.Cryptography;
using FedCore.Aggregation;
using FedCore.Compression;
using FedCore.Numerics;
using FedCore.Privacy.Sampling;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.SecureAggregation;
using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Ring;
using FedCore.SecureAggregation.Sessions;
using FedCore.SecureAggregation.Suites;
using Google.Protobuf;

namespace FedCore.Client.Tests.Fakes;

/// <summary>A secure sum of a real client, the site of the fake aggregator, and of two others that are the test's own and whose inputs are zeros.</summary>
internal sealed class FakeSum : ISessionChannel, ISiteIdentities, IDisposable
{
    private static readonly string[] Others = ["east", "south"];

    private readonly FakeAggregator _aggregator;
    private readonly SmallRun _run;
    private readonly TaskOffer _of;
    private readonly Dictionary<string, ISigningKey> _keys = Others.ToDictionary(name => name, _ => SecureAggregationSuites.Default.CreateSigningKey());
    private readonly Dictionary<string, ClientSession> _sessions = [];
    private readonly FlatVectorPool _pool = new();
    private readonly AggregationResources _resources;

    public FakeSum(FakeAggregator aggregator, SmallRun run, TaskOffer of, int attempt = 1, byte[]? given = null)
    {
        (_aggregator, _run, _of) = (aggregator, run, of);
        SumPurpose purpose = of.WorkCase == TaskOffer.WorkOneofCase.Train ? SumPurpose.Update : SumPurpose.Evaluation;
        Ring = run.Plan.RingFor(purpose, Others.Length + 1);
        _resources = new AggregationResources(1, _pool);
        Terms = new SessionTerms
        {
            Run = run.Plan.Hash,
            Purpose = purpose,
            Round = of.Round,
            Attempt = attempt,
            Nonce = RandomNumberGenerator.GetBytes(SessionTerms.NonceLength),
            Encoding = Ring.Encoding.Digest(),
            Assignment = given ?? Assignment.DigestOf(of),
            Invited = Others.Length + 1,
            Graph = new GraphRule(Others.Length + 1, 0.05, 0.25, Adversary.SplitView).Choose(),
            MinimumCohort = 3,
            MaximumDropout = 0.25,
        };
    }

    /// <summary>What makes a run one of secure sums.</summary>
    public static Func<RunDefinition, RunDefinition> Secure { get; } = definition => definition with { SecureAggregation = new SecureAggregationPolicy(), Training = definition.Training with { WeightBy = WeightBy.Uniform } };

    public SessionTerms Terms { get; }

    public UpdateRing Ring { get; }

    /// <summary>What the real client has sent, by the stage.</summary>
    public Dictionary<SessionStage, byte[]> Sent { get; } = [];

    /// <summary>Comes before a stage.</summary>
    public Func<SessionStage, Task> OnStage { get; set; } = _ => Task.CompletedTask;

    /// <summary>Whose keys the aggregator says that these are; by default everybody's own.</summary>
    public Func<string, string> KeyOf { get; set; } = name => name;

    public bool ArePinned => false;

    public bool TryFind(string site, out ReadOnlyMemory<byte> publicKey)
    {
        publicKey = _keys.TryGetValue(site, out ISigningKey? key) ? key.PublicKey : _aggregator.Messages<JoinRequest>().Last().IdentityKey.Memory;
        return true;
    }

    /// <summary>Holds the session to its end.</summary>
    public async Task<RingSum> HoldAsync()
    {
        using var server = new ServerSession(Terms, this);
        (RingSum sum, _) = await new SessionHost(Terms, server, this, _resources).HoldAsync(Ring.Encoding, [.. Others, FakeAggregator.Site], TestContext.Current.CancellationToken);
        return sum;
    }

    /// <summary>Asks the real client alone.</summary>
    /// <returns>What it sent, or the code with which it declined.</returns>
    public async Task<(byte[]? Answer, string? Declined)> AskAsync(SessionStage stage, byte[] message)
    {
        var offer = new TaskOffer
        {
            TaskId = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)),
            RunId = _of.RunId,
            Definition = _of.Definition,
            Round = _of.Round,
            Position = _of.Position,
            CohortSize = _of.CohortSize,
            Exchange = new ExchangeWork { OfTask = _of.TaskId, Terms = ByteString.CopyFrom(Terms.Encode()), Stage = (ExchangeStage)(stage + 1), Message = ByteString.CopyFrom(message) },
        };
        foreach (string name in (string[])[.. Others, FakeAggregator.Site])
        {
            TryFind(KeyOf(name), out ReadOnlyMemory<byte> key);
            offer.Exchange.Identities.Add(new SiteKey { Site = name, Key = ByteString.CopyFrom(key.Span) });
        }

        _aggregator.Offer(offer);
        DeclineRequest? declined = null;
        await _aggregator.WaitAsync(() =>
        {
            declined = _aggregator.Messages<DeclineRequest>().FirstOrDefault(decline => decline.TaskId == offer.TaskId);
            return declined is not null || (_aggregator.Uploads.TryGetValue(offer.TaskId, out FakeUpload? upload) && upload.IsAccepted);
        });
        _aggregator.Withdraw(offer.TaskId);
        return declined is null ? (Sent[stage] = _aggregator.Uploads[offer.TaskId].Content, null) : (null, declined.Reason);
    }

    public async Task AskAsync(
        SessionStage stage, IReadOnlyList<string> clients, Func<string, byte[]> messageTo, Func<IEncodedUpdate, byte[]> read, Action<string, byte[]> accept, Func<bool> isEnough, CancellationToken ct)
    {
        await OnStage(stage);
        foreach (string name in clients)
        {
            byte[] answer;
            if (name != FakeAggregator.Site) answer = Answer(name, stage, messageTo(name));
            else if (await AskAsync(stage, messageTo(name)) is var (sent, declined) && sent is null) throw new SecureAggregationException(declined!, "The client declines.");
            else answer = sent;
            using var bytes = new EncodedInMemory(answer);
            accept(name, read(bytes));
        }
    }

    public void Dispose()
    {
        foreach (ClientSession session in _sessions.Values) session.Dispose();
        foreach (ISigningKey key in _keys.Values) key.Dispose();
        _resources.Dispose();
        _pool.Dispose();
    }

    private byte[] Answer(string name, SessionStage stage, byte[] message)
    {
        if (stage == SessionStage.Advertise)
        {
            _sessions[name] = new ClientSession(
                Terms, new ClientParty(name, _keys[name], this, new ClientLimits(), new SessionHistory()), new SessionExpectation(_run.Plan.Hash, Terms.Purpose, Terms.Round, Ring.Encoding.Digest(), Terms.Assignment));
        }

        ClientSession session = _sessions[name];
        switch (stage)
        {
            case SessionStage.Advertise: return session.Advertise();
            case SessionStage.Share: return session.Share(message);
            case SessionStage.Confirm: return session.Confirm(message);
            case SessionStage.Unmask: return session.Unmask(message);
        }

        using InputMask mask = session.Mask(message, Ring.Encoding.ScalarCount);
        using var zeros = new EncodedInMemory(new byte[Ring.Encoding.ScalarCount * sizeof(double) + Ring.Encoding.VectorLength * sizeof(float)]);
        var target = new ArrayBufferWriter<byte>();
        Ring.Write(zeros, _run.Plan.Random.Stream("ring", Terms.Round, name), new SystemRandomBytes(), mask, target);
        return target.WrittenSpan.ToArray();
    }
}
