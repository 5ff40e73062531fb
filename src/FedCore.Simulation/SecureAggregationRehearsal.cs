using System.Diagnostics;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using FedCore.Aggregation;
using FedCore.Compression;
using FedCore.Numerics;
using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Ring;
using FedCore.SecureAggregation.Sessions;
using FedCore.SecureAggregation.Suites;

namespace FedCore.Simulation;

/// <summary>What a session is rehearsed with.</summary>
public sealed record RehearsalOptions
{
    /// <summary>Clients, 2 or more.</summary>
    public required int Clients { get; init; }

    /// <summary>Numbers in each client's vector, at least 1.</summary>
    public required long Length { get; init; }

    /// <summary>Clients that vanish when they have shared their secrets, which costs the most: their masks must be recovered.</summary>
    public int Dropouts { get; init; }

    /// <summary>Bits of each number.</summary>
    public int Bits { get; init; } = RingEncoding.MostBits;

    /// <summary>The share of the clients that may be the adversary's.</summary>
    public double AdversarialRate { get; init; } = 0.05;

    /// <summary>What the aggregator may do.</summary>
    public Adversary Adversary { get; init; } = Adversary.SplitView;

    /// <summary>Threads, at least 1.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;
}

/// <summary>How a rehearsal went.</summary>
/// <param name="Graph">Neighbours and threshold.</param>
/// <param name="Stages">Seconds of each stage, of all clients and the aggregator together; the last one is without the recovery.</param>
/// <param name="UnmaskSeconds">Seconds for the recovery of the masks and for taking them off the sum.</param>
/// <param name="Seconds">Seconds of all.</param>
/// <param name="MostBytesUp">Bytes that a client sent at most.</param>
/// <param name="VectorBytes">Bytes of its packed vector among them.</param>
/// <param name="MostBytesDown">Bytes that went to a client at most.</param>
/// <param name="IsExact">Whether the sum is exactly that of the survivors' vectors.</param>
public sealed record RehearsalResult(
    GraphParameters Graph, IReadOnlyDictionary<SessionStage, double> Stages, double UnmaskSeconds, double Seconds, long MostBytesUp, long VectorBytes, long MostBytesDown, bool IsExact);

/// <summary>Holds one session of secure aggregation in this process, with all keys, shares and masks, to see what it takes.</summary>
public sealed class SecureAggregationRehearsal : ISessionChannel, ISiteIdentities, IDisposable
{
    private const string Run = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

    private readonly RehearsalOptions _options;
    private readonly AggregationResources _resources;
    private readonly FlatVectorPool _pool = new();
    private readonly Dictionary<string, Part> _parts = new(StringComparer.Ordinal);
    private readonly Dictionary<SessionStage, double> _stages = [];
    private readonly RingEncoding _encoding;
    private readonly SessionTerms _terms;
    private readonly IProgress<SessionStage>? _progress;

    private SecureAggregationRehearsal(RehearsalOptions options, IProgress<SessionStage>? progress)
    {
        (_options, _progress) = (options, progress);
        if (options.Dropouts < 0 || options.Dropouts > options.Clients - 2)
            throw FedCoreException.Configuration("secagg.parameters", $"{options.Dropouts} of {options.Clients} clients vanish, but at least two must stay.");
        _resources = new AggregationResources(options.Threads, _pool);
        _encoding = RingEncoding.Create([new RingSection("vector", options.Length, true, 1)], options.Clients, new RingOptions { Bits = options.Bits });
        double dropout = options.Dropouts / (double)options.Clients;
        _terms = new SessionTerms
        {
            Run = Run,
            Purpose = SumPurpose.Update,
            Round = 1,
            Attempt = 1,
            Nonce = RandomNumberGenerator.GetBytes(SessionTerms.NonceLength),
            Encoding = _encoding.Digest(),
            Assignment = new byte[SessionTerms.HashLength],
            Invited = options.Clients,
            Graph = new GraphRule(options.Clients, options.Adversary == Adversary.None ? 0 : options.AdversarialRate, dropout, options.Adversary).Choose(),
            MinimumCohort = 2,
            MaximumDropout = dropout,
        };
        int digits = options.Clients.ToString(System.Globalization.CultureInfo.InvariantCulture).Length;
        for (int i = 0; i < options.Clients; i++) _parts.Add($"client{i.ToString($"D{digits}", System.Globalization.CultureInfo.InvariantCulture)}", new Part(i >= options.Clients - options.Dropouts));
    }

    bool ISiteIdentities.ArePinned => true;

    /// <summary>Holds a session.</summary>
    /// <param name="options">With whom.</param>
    /// <param name="progress">Hears of each stage when it begins.</param>
    /// <param name="ct">Cancels it.</param>
    /// <returns>What it took.</returns>
    /// <exception cref="FedCoreException">There are no parameters for such a session (<c>secagg.parameters</c>), or the ring is too small (<c>secagg.ring</c>).</exception>
    public static async Task<RehearsalResult> HoldAsync(RehearsalOptions options, IProgress<SessionStage>? progress = null, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        using var rehearsal = new SecureAggregationRehearsal(options, progress);
        return await rehearsal.HoldAsync(ct).ConfigureAwait(false);
    }

    bool ISiteIdentities.TryFind(string site, out ReadOnlyMemory<byte> publicKey)
    {
        bool isKnown = _parts.TryGetValue(site, out Part? part);
        publicKey = part?.Key.PublicKey ?? default;
        return isKnown;
    }

    async Task ISessionChannel.AskAsync(
        SessionStage stage, IReadOnlyList<string> clients, Func<string, byte[]> messageTo, Func<IEncodedUpdate, byte[]> read, Action<string, byte[]> accept, Func<bool> isEnough, CancellationToken ct)
    {
        _progress?.Report(stage);
        long start = Stopwatch.GetTimestamp();
        int next = -1;
        var taking = new Lock();
        Task WorkAsync()
        {
            while (Interlocked.Increment(ref next) is var i && i < clients.Count)
            {
                ct.ThrowIfCancellationRequested();
                Part part = _parts[clients[i]];
                if (part.Vanishes && stage >= SessionStage.Mask) continue;
                byte[] message = messageTo(clients[i]);
                using var answer = new EncodedInMemory(Answer(clients[i], part, stage, message));
                part.BytesDown += message.Length;
                part.BytesUp += answer.Length;
                byte[] value = read(answer);
                lock (taking) accept(clients[i], value);
            }

            return Task.CompletedTask;
        }

        await _resources.RunAsync(Math.Clamp(_options.Threads, 1, Math.Max(1, clients.Count)), WorkAsync).ConfigureAwait(false);
        _stages[stage] = Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Part part in _parts.Values) part.Dispose();
        _resources.Dispose();
        _pool.Dispose();
    }

    private async Task<RehearsalResult> HoldAsync(CancellationToken ct)
    {
        long start = Stopwatch.GetTimestamp();
        using var server = new ServerSession(_terms, this);
        (RingSum sum, FlatVector memory) = await new SessionHost(_terms, server, this, _resources).HoldAsync(_encoding, [.. _parts.Keys], ct).ConfigureAwait(false);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        bool isExact = IsExact(sum);
        _pool.Return(memory);
        return new RehearsalResult(
            _terms.Graph, _stages, seconds - _stages.Values.Sum(), seconds, _parts.Values.Max(part => part.BytesUp), _encoding.ByteLength, _parts.Values.Max(part => part.BytesDown), isExact);
    }

    private byte[] Answer(string name, Part part, SessionStage stage, byte[] message)
    {
        switch (stage)
        {
            case SessionStage.Advertise:
                var limits = new ClientLimits { MinimumCohort = 2, MaximumDropout = _terms.MaximumDropout, AdversarialRate = _options.Adversary == Adversary.None ? 0 : _options.AdversarialRate, Adversary = _options.Adversary };
                part.Session = new ClientSession(
                    SessionTerms.Decode(message), new ClientParty(name, part.Key, this, limits, new SessionHistory()), new SessionExpectation(Run, SumPurpose.Update, 1, _encoding.Digest(), _terms.Assignment));
                return part.Session.Advertise();
            case SessionStage.Share:
                return part.Session!.Share(message);
            case SessionStage.Mask:
                using (InputMask mask = part.Session!.Mask(message, 0)) return Masked(name, mask);
            case SessionStage.Confirm:
                return part.Session!.Confirm(message);
            default:
                return part.Session!.Unmask(message);
        }
    }

    private byte[] Masked(string name, InputMask mask)
    {
        byte[] packed = new byte[_encoding.ByteLength];
        ForEachChunk(name, (first, words) =>
        {
            mask.Apply(first, words);
            _encoding.Pack(words, packed.AsSpan((int)(first / 8 * _encoding.Bits)));
        });
        return packed;
    }

    // A client's vector, a chunk at a time, the same at every call: uniform numbers from -1 to 1, written into the ring.
    private void ForEachChunk(string name, Action<long, Span<uint>> use)
    {
        const int length = 8192;
        var keys = new RandomKeys("rehearsal"u8, 1);
        var random = new LaneRandom(keys.Stream("values", 0, name));
        var encoder = new RingEncoder(keys.Stream("rounding", 0, name));
        float[] values = new float[length];
        uint[] words = new uint[length];
        for (long first = 0; first < _options.Length; first += length)
        {
            int count = (int)Math.Min(length, _options.Length - first);
            for (int i = 0; i < length; i += LaneRandom.Lanes) random.NextSingles().CopyTo(values.AsSpan(i));
            encoder.Encode(_encoding.Sections[0], 1, values.AsSpan(0, count), words.AsSpan(0, count));
            use(first, words.AsSpan(0, count));
        }
    }

    private bool IsExact(RingSum sum)
    {
        using FlatVector memory = new(_options.Length);
        var expected = new RingSum(_encoding, memory);
        foreach ((string name, Part part) in _parts.Where(part => !part.Value.Vanishes))
        {
            ForEachChunk(name, (first, words) =>
            {
                Span<uint> target = expected.Words(first, words.Length);
                for (int i = 0; i < words.Length; i++) target[i] += words[i];
            });
        }

        uint ring = uint.MaxValue >> (RingEncoding.MostBits - _encoding.Bits);
        for (long i = 0; i < _options.Length; i++)
            if (((sum.Words(i, 1)[0] ^ expected.Words(i, 1)[0]) & ring) != 0) return false;
        return true;
    }

    private sealed class Part(bool vanishes) : IDisposable
    {
        public bool Vanishes => vanishes;

        public ISigningKey Key { get; } = SecureAggregationSuites.Default.CreateSigningKey();

        public ClientSession? Session { get; set; }

        public long BytesUp { get; set; }

        public long BytesDown { get; set; }

        public void Dispose()
        {
            Session?.Dispose();
            Key.Dispose();
        }
    }
}
