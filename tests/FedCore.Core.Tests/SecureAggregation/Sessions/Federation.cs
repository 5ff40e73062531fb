using System.Buffers.Binary;
using System.Security.Cryptography;
using FedCore.Aggregation;
using FedCore.Numerics;
using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Ring;
using FedCore.SecureAggregation.Sessions;
using FedCore.SecureAggregation.Suites;

namespace FedCore.Core.Tests.SecureAggregation.Sessions;

/// <summary>Clients with identity keys and inputs, and what they have in common, for sessions of secure aggregation between real state machines.</summary>
internal sealed class Federation : ISiteIdentities, IDisposable
{
    public const string Run = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    public const int ScalarCount = 2, VectorLength = 21;

    private readonly Dictionary<string, ReadOnlyMemory<byte>> _roster = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ISigningKey> _keys = new(StringComparer.Ordinal);

    public Federation(int clients, ClientLimits? limits = null)
    {
        Limits = limits ?? new ClientLimits { AdversarialRate = 0, MaximumDropout = 0.34, MinimumCohort = 2 };
        Names = [.. Enumerable.Range(0, clients).Select(i => $"site{i:D4}")];
        foreach (string name in Names) Enrol(name);
        Encoding = RingEncoding.Create(
            [new("numbers", ScalarCount, false, 1000), new("vector", VectorLength, true, 10)], clients, new RingOptions { Bits = 19 });
    }

    public IReadOnlyList<string> Names { get; }

    public ClientLimits Limits { get; }

    public RingEncoding Encoding { get; }

    public bool ArePinned => true;

    public bool TryFind(string site, out ReadOnlyMemory<byte> publicKey) => _roster.TryGetValue(site, out publicKey);

    /// <summary>Gives a client an identity key that is in the roster.</summary>
    public void Enrol(string name)
    {
        _keys.Add(name, SecureAggregationSuites.Default.CreateSigningKey());
        _roster.Add(name, _keys[name].PublicKey);
    }

    public ISigningKey KeyOf(string name) => _keys[name];

    public SessionTerms Terms(int round = 1, int attempt = 1, double? dropout = null) => new()
    {
        Run = Run,
        Purpose = SumPurpose.Update,
        Round = round,
        Attempt = attempt,
        Nonce = RandomNumberGenerator.GetBytes(SessionTerms.NonceLength),
        Encoding = Encoding.Digest(),
        Assignment = SHA256.HashData("the model and the work"u8),
        Invited = Names.Count,
        Graph = new GraphRule(Names.Count, Limits.AdversarialRate, dropout ?? Tolerated(Names.Count), Limits.Adversary).Choose(),
        MinimumCohort = Limits.MinimumCohort,
        MaximumDropout = dropout ?? Tolerated(Names.Count),
    };

    public ClientSession Join(string name, SessionTerms terms, SessionCheck? skipped = null, SessionHistory? history = null, byte[]? given = null) =>
        new(terms, new ClientParty(name, KeyOf(name), this, Limits, history ?? new SessionHistory()), Expect(terms) with { Assignment = given ?? terms.Assignment }, skipped);

    public SessionExpectation Expect(SessionTerms terms) => new(Run, terms.Purpose, terms.Round, Encoding.Digest(), terms.Assignment);

    /// <summary>A client's input in the ring: its scalars and its words, the same at every call.</summary>
    public (ulong[] Scalars, uint[] Words) InputOf(string name)
    {
        var random = Statistics.Stream("input " + name);
        return ([.. Enumerable.Range(0, ScalarCount).Select(_ => random.NextUInt64() >> 8)], [.. Enumerable.Range(0, VectorLength).Select(_ => (uint)random.NextUInt64())]);
    }

    /// <summary>A client's masked input as bytes on the wire.</summary>
    public byte[] Write((ulong[] Scalars, uint[] Words) input, InputMask? mask)
    {
        mask?.ApplyToScalars(input.Scalars);
        mask?.Apply(0, input.Words);
        byte[] bytes = new byte[Encoding.ByteLength];
        for (int i = 0; i < ScalarCount; i++) BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8 * i), input.Scalars[i]);
        BitPacking.Pack(input.Words, Encoding.Bits, bytes.AsSpan(8 * ScalarCount));
        return bytes;
    }

    /// <summary>The ring sum of inputs, as it is without any protection.</summary>
    public string IdealSum(IEnumerable<string> survivors)
    {
        var sum = new RingSum(Encoding, new FlatVector(VectorLength));
        foreach (string name in survivors) Add(sum, Write(InputOf(name), null));
        return Show(sum);
    }

    public void Add(RingSum sum, byte[] bytes)
    {
        sum.AddScalars(bytes);
        sum.AddWords(0, bytes.AsSpan(8 * ScalarCount), VectorLength);
    }

    public string Show(RingSum sum)
    {
        string scalars = string.Join(' ', sum.Scalars.ToArray());
        uint ring = uint.MaxValue >> (32 - Encoding.Bits);
        return scalars + " | " + string.Join(' ', sum.Words(0, VectorLength).ToArray().Select(word => word & ring));
    }

    /// <summary>Holds a session in which some clients vanish before they answer a stage.</summary>
    /// <param name="terms">The terms.</param>
    /// <param name="vanishAt">Who vanishes, and at which stage.</param>
    /// <returns>Who survived, and the sum.</returns>
    public async Task<(string[] Survivors, string Sum)> HoldAsync(SessionTerms terms, IReadOnlyDictionary<string, SessionStage> vanishAt)
    {
        using var server = new ServerSession(terms, this);
        Dictionary<string, ClientSession> clients = Names.ToDictionary(name => name, name => Join(name, terms), StringComparer.Ordinal);
        bool Answers(string name, SessionStage stage) => !vanishAt.TryGetValue(name, out SessionStage last) || stage < last;
        var sum = new RingSum(Encoding, new FlatVector(VectorLength));

        foreach (string name in Names.Where(name => Answers(name, SessionStage.Advertise))) server.AcceptAdvertisement(name, clients[name].Advertise());
        byte[] list = server.CloseAdvertising();
        foreach (string name in server.Awaited.Where(name => Answers(name, SessionStage.Share))) server.AcceptShares(name, clients[name].Share(list));
        server.CloseSharing();
        foreach (string name in server.Awaited.Where(name => Answers(name, SessionStage.Mask)))
        {
            using InputMask mask = clients[name].Mask(server.DeliveryTo(name), ScalarCount);
            Add(sum, Write(InputOf(name), mask));
            server.AcceptMaskedInput(name);
        }

        string[] survivors = [.. server.Arrived];
        byte[] set = server.CloseMasking();
        foreach (string name in server.Awaited.Where(name => Answers(name, SessionStage.Confirm))) server.AcceptConfirmation(name, clients[name].Confirm(set));
        server.CloseConfirming();
        foreach (string name in server.Awaited.Where(name => Answers(name, SessionStage.Unmask))) server.AcceptUnmasking(name, clients[name].Unmask(server.UnmaskRequestTo(name)));
        using var resources = new AggregationResources(2, new FlatVectorPool());
        using SumMask left = await server.UnmaskAsync(resources);
        await left.RemoveFromAsync(sum, resources);
        foreach (ClientSession client in clients.Values) client.Dispose();
        return (survivors, Show(sum));
    }

    public void Dispose()
    {
        foreach (ISigningKey key in _keys.Values) key.Dispose();
    }

    // As many as a threshold of two thirds can do without; from a hundred clients on, a tenth.
    private static double Tolerated(int clients) => clients >= GraphRule.LeastSparse ? 0.1 : (clients - (2 * clients / 3 + 1)) / (double)clients;
}
