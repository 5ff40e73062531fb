using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using FedCore.Compression;
using FedCore.Privacy.Sampling;
using FedCore.Rounds;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Sessions;
using FedCore.SecureAggregation.Suites;
using FedCore.Updates;

namespace FedCore.Core.Tests.Rounds.Engine;

/// <summary>
/// Clients that take part in secure sums with real keys, and outlast the aggregator's process: what was answered once is there again, as in a spool, and nothing is answered twice in two ways.
/// </summary>
internal sealed class SecureClients(RunPlan plan) : ISiteIdentities
{
    private readonly Dictionary<string, ISigningKey> _keys = new(StringComparer.Ordinal);
    private readonly Dictionary<(string, SumPurpose), SessionHistory> _histories = [];
    private readonly Dictionary<(string Client, string Session), ClientSession> _sessions = [];
    private readonly Dictionary<(string Client, string Message), byte[]> _answered = [];

    /// <summary>Whether a client does not answer a message.</summary>
    public Func<string, ExchangeTask, bool> IsSilent { get; set; } = (_, _) => false;

    /// <summary>What a client sends in place of its answer.</summary>
    public Func<string, ExchangeTask, byte[], byte[]> Alter { get; set; } = (_, _, answer) => answer;

    public bool ArePinned => true;

    public bool TryFind(string site, out ReadOnlyMemory<byte> publicKey)
    {
        publicKey = KeyOf(site).PublicKey;
        return true;
    }

    public void Join(ScriptedFleet fleet) => (fleet.Identities, fleet.OnExchange, fleet.OnRelease) = (this, Answer, (task, client) => _answered.Remove((client, KeyOf(task))));

    private FleetReply? Answer(ExchangeTask task, ClientDescriptor client)
    {
        string name = client.Id.Name;
        return IsSilent(name, task) ? null : new FleetReply(task, ClientOutcome.Reported) { Answer = new Given(() => Answer(name, task)) };
    }

    private byte[] Answer(string name, ExchangeTask task)
    {
        (SessionTerms terms, string session, string message) = (task.Terms!, SessionOf(task), KeyOf(task));
        if (_answered.TryGetValue((name, message), out byte[]? before)) return before;
        if (task.Stage == SessionStage.Advertise)
        {
            if (!_histories.TryGetValue((name, terms.Purpose), out SessionHistory? history)) _histories.Add((name, terms.Purpose), history = new SessionHistory());
            _sessions.Add((name, session), new ClientSession(
                terms, new ClientParty(name, KeyOf(name), this, new ClientLimits { MaximumDropout = 0.4 }, history), new SessionExpectation(plan.Hash, terms.Purpose, task.Round, task.Ring.Encoding.Digest(), new byte[SessionTerms.HashLength])));
        }

        ClientSession mine = _sessions[(name, session)];
        return _answered[(name, message)] = Alter(name, task, task.Stage switch
        {
            SessionStage.Advertise => mine.Advertise(),
            SessionStage.Share => mine.Share(task.Message.Span),
            SessionStage.Mask => Mask(name, mine, task),
            SessionStage.Confirm => mine.Confirm(task.Message.Span),
            _ => mine.Unmask(task.Message.Span),
        });
    }

    private byte[] Mask(string name, ClientSession session, ExchangeTask task)
    {
        using InputMask mask = session.Mask(task.Message.Span, task.Ring.Encoding.ScalarCount);
        var update = (IUpdateReader)((IUpdateSource)task.Result!).OpenAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult();
        var wire = new ArrayBufferWriter<byte>();
        foreach (double scalar in update.Scalars)
        {
            BinaryPrimitives.WriteDoubleLittleEndian(wire.GetSpan(sizeof(double)), scalar);
            wire.Advance(sizeof(double));
        }

        if (task.Of.Layout.VectorLength > 0) wire.Write(MemoryMarshal.AsBytes(update.Read(0)));
        var target = new ArrayBufferWriter<byte>();
        using var bytes = new EncodedInMemory(wire.WrittenMemory);
        task.Ring.Write(bytes, plan.Random.Stream("ring", task.Round, name), new SystemRandomBytes(), mask, target);
        return target.WrittenSpan.ToArray();
    }

    private static string SessionOf(ExchangeTask task) => Convert.ToHexString(task.Terms!.Digest());

    private static string KeyOf(ExchangeTask task) => $"{SessionOf(task)} {task.Stage} {Convert.ToHexString(SHA256.HashData(task.Message.Span))}";

    private ISigningKey KeyOf(string name)
    {
        if (!_keys.TryGetValue(name, out ISigningKey? key)) _keys.Add(name, key = SecureAggregationSuites.Default.CreateSigningKey());
        return key;
    }

    private sealed class Given(Func<byte[]> answer) : IExchangeAnswer
    {
        public ValueTask<IEncodedUpdate> OpenAsync(CancellationToken ct) => ValueTask.FromResult<IEncodedUpdate>(new EncodedInMemory(answer()));
    }
}
