using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using FedCore.Aggregation;
using FedCore.Numerics;
using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Masks;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Ring;
using FedCore.SecureAggregation.Sessions;
using FedCore.SecureAggregation.Sharing;
using FedCore.SecureAggregation.Suites;
using FedCore.Simulation;

namespace FedCore.Benchmarks.Suites;

/// <summary>Masks against the machine's own rate of AES, the ring, secret sharing, the recovery of a large sum, and whole sessions.</summary>
internal static class SecureAggregationSuite
{
    private const string Suite = "secagg";
    private const int Length = 1 << 20, Masks = 16, Repetitions = 7;

    public static void Run(Figures figures)
    {
        double mask = MeasureMasks(figures);
        MeasureEncoding(figures);
        MeasureSharing(figures);
        MeasureUnmasking(figures, mask).GetAwaiter().GetResult();
        MeasureSession(figures).GetAwaiter().GetResult();
    }

    // Masks are added to a vector as a client does it, and OpenSSL's own measure of the cipher runs before and behind each turn.
    private static double MeasureMasks(Figures figures)
    {
        uint[] words = new uint[Length];
        using var masks = new MaskSet(0);
        for (int i = 0; i < Masks; i++) masks.Include(RandomNumberGenerator.GetBytes(MaskStream.KeyLength), isAdded: true);
        double bytes = (double)Masks * Length * sizeof(uint) / 1e9;
        Figures.Rate(() => masks.Apply(0, words), 0.5);
        var turns = new List<(double Own, double? Peer)>();
        for (int turn = 0; turn < Repetitions; turn++) turns.Add((Figures.Rate(() => masks.Apply(0, words), 1) * bytes, OpenSslRate()));
        double own = Figures.Median(turns.Select(turn => turn.Own));
        figures.Report(Suite, "mask_gb_per_s", own, "GB/s", new { masks = Masks, length = Length, threads = 1 });
        if (turns.All(turn => turn.Peer is not null))
        {
            figures.Report(Suite, "mask_vs_openssl", Figures.Median(turns.Select(turn => turn.Own / turn.Peer!.Value)), "x", new
            {
                own = Math.Round(own, 2),
                openssl = Math.Round(Figures.Median(turns.Select(turn => turn.Peer!.Value)), 2),
                peer = "openssl speed -evp aes-256-ctr -bytes 65536",
            });
        }
        else
        {
            Console.Error.WriteLine("mask_vs_openssl needs the openssl command.");
        }

        return own;
    }

    private static double? OpenSslRate()
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("openssl", "speed -seconds 1 -bytes 65536 -mr -evp aes-256-ctr") { RedirectStandardOutput = true, RedirectStandardError = true })!;
            process.ErrorDataReceived += static (_, _) => { };
            process.BeginErrorReadLine();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            string line = output.Split('\n').Last(line => line.StartsWith("+F:", StringComparison.Ordinal));
            return double.Parse(line.Split(':')[^1], CultureInfo.InvariantCulture) / 1e9;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    private static void MeasureEncoding(Figures figures)
    {
        RingEncoding encoding = RingEncoding.Create([new RingSection("vector", Length, true, 100)], 100, new RingOptions());
        using var values = new FlatVector(Length);
        var random = new RandomKeys([], 1);
        RandomStream normal = random.Stream("values");
        foreach (ref float value in values.AsSpan()) value = (float)normal.NextNormal();
        uint[] words = new uint[Length];
        var encoder = new RingEncoder(random.Stream("rounding"));
        void Encode()
        {
            double factor = RingEncoder.ClipFactor(encoding.Sections[0], VectorBlocks.SquaredNorm(values, Length), 1);
            foreach ((long offset, int count) in VectorBlocks.Of(Length)) encoder.Encode(encoding.Sections[0], factor, values.Slice(offset, count), words.AsSpan((int)offset, count));
        }

        Figures.Rate(Encode, 0.3);
        double rate = Figures.Median(Enumerable.Range(0, Repetitions).Select(_ => Figures.Rate(Encode, 0.3)));
        figures.Report(Suite, "encode_melem_per_s", rate * Length / 1e6, "M/s", new { length = Length, bits = encoding.Bits, threads = 1 });
    }

    private static void MeasureSharing(Figures figures)
    {
        const int holders = 100, threshold = 51;
        byte[] secret = RandomNumberGenerator.GetBytes(SecretSharing.SecretLength), shares = new byte[holders * SecretSharing.ShareLength], combined = new byte[SecretSharing.SecretLength];
        uint[] places = [.. Enumerable.Range(1, holders).Select(place => (uint)place)];
        void Share() => SecretSharing.Split(secret, threshold, places, shares);
        void Combine() => SecretSharing.Combine(places.AsSpan(0, threshold), shares.AsSpan(0, threshold * SecretSharing.ShareLength), combined);
        foreach ((string name, Action work) in ((string, Action)[])[("shamir_share_ms", Share), ("shamir_combine_ms", Combine)])
        {
            Figures.Rate(work, 0.3);
            figures.Report(Suite, name, 1e3 / Figures.Median(Enumerable.Range(0, Repetitions).Select(_ => Figures.Rate(work, 0.2))), "ms", new { threshold, holders, bytes = secret.Length });
        }
    }

    // Real sessions of a thousand clients up to their masks, and then the aggregator alone: secrets, keys, and the masks off a vector of 2^20 numbers.
    private static async Task MeasureUnmasking(Figures figures, double maskRate)
    {
        const int clients = 1000, lost = 100, threads = 2;
        var sites = new Sites(clients);
        RingEncoding encoding = RingEncoding.Create([new RingSection("vector", Length, true, 100)], clients, new RingOptions());
        var terms = new SessionTerms
        {
            Run = "sha256:0",
            Purpose = SumPurpose.Update,
            Round = 1,
            Attempt = 1,
            Nonce = new byte[SessionTerms.NonceLength],
            Encoding = encoding.Digest(),
            Assignment = new byte[SessionTerms.HashLength],
            Invited = clients,
            Graph = new GraphParameters(72, 24),
            MinimumCohort = 2,
            MaximumDropout = 0.33,
        };
        var limits = new ClientLimits { MinimumCohort = 2, MaximumDropout = 0.33, Adversary = Adversary.Curious };
        using var server = new ServerSession(terms, sites);
        Dictionary<string, ClientSession> sessions = sites.Keys.ToDictionary(
            site => site.Key, site => new ClientSession(terms, new ClientParty(site.Key, site.Value, sites, limits, new SessionHistory()), new SessionExpectation(terms.Run, terms.Purpose, 1, encoding.Digest(), terms.Assignment)));
        foreach ((string name, ClientSession session) in sessions) server.AcceptAdvertisement(name, session.Advertise());
        byte[] list = server.CloseAdvertising();
        Each(sessions.Keys, name => sessions[name].Share(list), (name, shares) => server.AcceptShares(name, shares));
        server.CloseSharing();
        Each([.. sessions.Keys.Take(clients - lost)], name => { sessions[name].Mask(server.DeliveryTo(name), 0).Dispose(); return name; }, (name, _) => server.AcceptMaskedInput(name));
        byte[] set = server.CloseMasking();
        Each(server.Awaited, name => sessions[name].Confirm(set), (name, signature) => server.AcceptConfirmation(name, signature));
        server.CloseConfirming();
        Each(server.Awaited, name => sessions[name].Unmask(server.UnmaskRequestTo(name)), (name, shares) => server.AcceptUnmasking(name, shares));

        using var pool = new FlatVectorPool();
        using var resources = new AggregationResources(threads, pool);
        using var memory = new FlatVector(Length);
        var sum = new RingSum(encoding, memory);
        long start = Stopwatch.GetTimestamp();
        using SumMask mask = await server.UnmaskAsync(resources);
        double recovered = Stopwatch.GetElapsedTime(start).TotalSeconds;
        await mask.RemoveFromAsync(sum, resources);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds, bound = (double)mask.Count * Length * sizeof(uint) / (threads * maskRate * 1e9);
        figures.Report(Suite, "unmask_vs_bound", seconds / bound, "x", new
        {
            clients,
            degree = 72,
            threshold = 24,
            lost,
            length = Length,
            masks = mask.Count,
            seconds = Math.Round(seconds, 3),
            recoverySeconds = Math.Round(recovered, 3),
            boundSeconds = Math.Round(bound, 3),
            threads,
        });
        foreach (ClientSession session in sessions.Values) session.Dispose();
    }

    private static void Each<T>(IEnumerable<string> names, Func<string, T> compute, Action<string, T> take)
    {
        var taking = new Lock();
        Parallel.ForEach(names.ToArray(), new ParallelOptions { MaxDegreeOfParallelism = 2 }, name =>
        {
            T value = compute(name);
            lock (taking) take(name, value);
        });
    }

    private static async Task MeasureSession(Figures figures)
    {
        var options = new RehearsalOptions { Clients = 1000, Length = 100_000, Dropouts = 50, Threads = 2 };
        RehearsalResult result = await SecureAggregationRehearsal.HoldAsync(options);
        if (!result.IsExact) throw FedCoreException.RunFailed("secagg.sum", "The sum is not exact.");
        figures.Report(Suite, "round_1000_s", result.Seconds, "s", new
        {
            clients = options.Clients,
            length = options.Length,
            lost = options.Dropouts,
            degree = result.Graph.Degree,
            threshold = result.Graph.Threshold,
            threads = options.Threads,
            stages = result.Stages.ToDictionary(stage => stage.Key.ToString().ToLowerInvariant(), stage => Math.Round(stage.Value, 2)),
            recovery = Math.Round(result.UnmaskSeconds, 2),
        });
        long packed = (options.Length * options.Bits + 7) / 8;
        figures.Report(Suite, "upload_bytes_per_neighbour", (result.MostBytesUp - packed) / (double)result.Graph.Degree, "B", new { vectorBytes = result.VectorBytes, packed, neighbours = result.Graph.Degree });
    }

    private sealed class Sites(int count) : ISiteIdentities
    {
        public Dictionary<string, ISigningKey> Keys { get; } = Enumerable.Range(0, count).ToDictionary(i => $"client{i:D4}", _ => SecureAggregationSuites.Default.CreateSigningKey());

        public bool ArePinned => true;

        public bool TryFind(string site, out ReadOnlyMemory<byte> publicKey)
        {
            bool isKnown = Keys.TryGetValue(site, out ISigningKey? key);
            publicKey = key?.PublicKey ?? default;
            return isKnown;
        }
    }
}
