using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using FedCore.Aggregator.Hosting;
using FedCore.Aggregator.Journal;
using FedCore.Aggregator.Sites;
using FedCore.Aggregator.Storage;
using FedCore.Cli.Service;
using FedCore.Protocol.V1;
using Google.Protobuf;

namespace FedCore.Benchmarks.Service;

/// <summary>An aggregator with its sites, in a process and a folder of its own.</summary>
internal sealed class AggregatorProcess : IDisposable
{
    private readonly string _folder;
    private readonly ChildProcess _process;
    private AdminConnection? _admin;

    private AggregatorProcess(string folder, ChildProcess process) => (_folder, _process) = (folder, process);

    public ChildProcess Process => _process;

    public string Address { get; private set; } = "";

    /// <summary>The certificate that sites trust; null in plain text.</summary>
    public string? Certificate { get; private set; }

    /// <summary>The tokens of the sites.</summary>
    public IReadOnlyList<string> Tokens { get; private set; } = [];

    public static async Task<AggregatorProcess> StartAsync(int sites, bool isTls = false)
    {
        string folder = Directory.CreateTempSubdirectory("fedcore-bench-").FullName;
        string[] tokens = await AddSitesAsync(Path.Combine(folder, "journal.db"), sites);
        string certificate = Path.Combine(folder, "certificate.pem");
        if (isTls) WriteCertificate(certificate);
        string[] tls = isTls ? ["--set", $"certificate={JsonSerializer.Serialize(new { path = certificate })}"] : [];
        var process = new ChildProcess(
            [AggregatorRole.Argument, "--set", $"dataFolder={folder}", "--set", $"listen=[\"{(isTls ? "https" : "http")}://127.0.0.1:0\"]", .. tls]);
        var aggregator = new AggregatorProcess(folder, process) { Tokens = tokens, Certificate = isTls ? certificate : null };
        try
        {
            aggregator.Address = (await process.ReadAsync("fedcore aggregator: serving")).Split(' ')[0].TrimEnd('.');
            aggregator._admin = AdminConnection.Connect(aggregator.Address, Path.Combine(folder, CoordinatorToken.FileName), aggregator.Certificate);
            return aggregator;
        }
        catch
        {
            aggregator.Dispose();
            throw;
        }
    }

    /// <summary>How often it has made something durable.</summary>
    public async Task<long> SyncsAsync()
    {
        _process.Send("syncs");
        return long.Parse(await _process.ReadAsync("syncs"), CultureInfo.InvariantCulture);
    }

    /// <summary>Begins a run of all sites.</summary>
    public Task CreateAsync(ServiceRun run) =>
        _admin!.CallAsync(admin => admin.Admin.CreateRunAsync(new CreateRunRequest { RunId = run.Name, Definition = ByteString.CopyFrom(run.Plan().CanonicalBytes.Span) }).ResponseAsync, CancellationToken.None);

    /// <summary>Waits for the end of a run, in which every update of every site must have become part of the model.</summary>
    public async Task CompletedAsync(ServiceRun run)
    {
        var request = new RunRequest { RunId = run.Name };
        Run state;
        while ((state = await _admin!.CallAsync(admin => admin.Admin.GetRunAsync(request).ResponseAsync, CancellationToken.None)).Phase is not (RunPhase.Completed or RunPhase.Failed))
            await Task.Delay(50);
        if (state.Phase == RunPhase.Failed) throw FedCoreException.RunFailed(state.EndCode, state.Message);
        int count = 0, expected = run.Rounds * Tokens.Count;
        using var receipts = _admin.Admin.ListReceipts(request);
        while (await receipts.ResponseStream.MoveNext(CancellationToken.None))
            count += JsonDocument.Parse(receipts.ResponseStream.Current.Json).RootElement.GetProperty("contributors").GetInt32();
        if (count != expected) throw FedCoreException.RunFailed("benchmark.updates", $"{count} of {expected} updates became part of the model.");
    }

    public void Dispose()
    {
        _admin?.Dispose();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    // As the aggregator would write them down, but not one by one.
    private static async Task<string[]> AddSitesAsync(string journal, int count)
    {
        string[] tokens = [.. Enumerable.Range(0, count).Select(_ => JoinToken.New())];
        await using SqliteEventLog log = SqliteEventLog.Open(journal, TimeProvider.System, new Disk());
        for (int i = 0; i < count; i++)
        {
            SiteFact fact = new SiteAdded($"site-{i:D5}", JoinToken.Hash(tokens[i]));
            await log.AppendAsync(SiteFact.Stream, fact.GetType().Name, JsonSerializer.Serialize(fact, SiteFact.Json), Durability.Ordered, default);
        }

        return tokens;
    }

    private static void WriteCertificate(string path)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(System.Net.IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        using X509Certificate2 certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        File.WriteAllText(path, certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem());
    }
}
