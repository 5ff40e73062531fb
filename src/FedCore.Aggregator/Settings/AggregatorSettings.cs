using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Text.Json.Nodes;
using FedCore.Hosting.Federation;
using FedCore.Hosting.Settings;
using FedCore.Hosting.Telemetry;
using FedCore.Naming;
using FedCore.Naming.PlugIns;

namespace FedCore.Aggregator.Settings;

/// <summary>The settings of an aggregator: the section <c>aggregator</c> of its settings file.</summary>
public sealed record AggregatorSettings
{
    private const string Section = "aggregator";

    /// <summary>
    /// Where sites and coordinators connect: <c>https://</c> addresses with a certificate, or <c>http://</c> on loopback. Each serves gRPC, gRPC-Web, health and
    /// metrics, over HTTP/2 and HTTP/1.1.
    /// </summary>
    [MinLength(1)]
    public IReadOnlyList<string> Listen { get; init; } = ["http://127.0.0.1:8470"];

    /// <summary>The certificate of the <c>https</c> addresses.</summary>
    public CertificateSettings? Certificate { get; init; }

    /// <summary>Lets plain HTTP out of loopback: everybody on the way reads tokens and updates. For networks that are protected otherwise.</summary>
    public bool AllowInsecure { get; init; }

    /// <summary>The folder of the journal, the updates and the models.</summary>
    [StringLength(4096, MinimumLength = 1)]
    public string DataFolder { get; init; } = "fedcore-aggregator";

    /// <summary>A PostgreSQL connection string for the journal; null for SQLite in the data folder.</summary>
    public string? Postgres { get; init; }

    /// <summary>
    /// The federation's roster: the identity keys of its sites, which its root signed. Without one those count that the sites came with first, and secure sums keep something from an
    /// aggregator that is curious, but nothing from one that lies.
    /// </summary>
    public RosterSettings? Roster { get; init; }

    /// <summary>What all runs together may show of one site's data.</summary>
    public PrivacyBudget Privacy { get; init; } = new();

    /// <summary>Threads that sum updates at once; 0 for as many as there are cores.</summary>
    [Range(0, 1024)]
    public int Threads { get; init; }

    /// <summary>How long a call for work waits at most, in seconds. Firewalls cut connections on which nothing moves for a minute.</summary>
    [Range(1, 55)]
    public int PollSeconds { get; init; } = 50;

    /// <summary>After so many seconds without a sign of life a task, or a site, is taken for lost.</summary>
    [Range(1, 86_400)]
    public int LivenessSeconds { get; init; } = 120;

    /// <summary>Updates and models of at most so many bytes go with one call.</summary>
    [Range(0, 256 * 1024)]
    public int InlineBytes { get; init; } = 256 * 1024;

    /// <summary>How many of the newest models of a run are kept, beside its first.</summary>
    [Range(2, 1_000_000)]
    public int KeepModels { get; init; } = 5;

    /// <summary>Assemblies whose strategies and other parts of runs may be named in runs. No other code of others is ever loaded.</summary>
    public IReadOnlyList<PlugInReference> PlugIns { get; init; } = [];

    /// <summary>The address of a collector that measurements and activities are sent to by OTLP over HTTP, such as <c>http://localhost:4318</c>; null for none.</summary>
    public string? Otlp { get; init; }

    /// <summary>The folder in which relative paths begin: that of the settings file, or the current one.</summary>
    public string Folder { get; internal init; } = Directory.GetCurrentDirectory();

    /// <summary>The JSON schema of the settings file.</summary>
    /// <param name="registry">The names that may stand in it.</param>
    /// <param name="describe">A description for a type or property, or null for none.</param>
    /// <returns>The schema. The file may have other sections, which are other programs' business.</returns>
    public static JsonObject Schema(Registry registry, Func<MemberInfo, string?>? describe = null) => new SettingsReader(Section, registry).Schema<AggregatorSettings>(describe);

    /// <summary>Reads the settings, and loads the plug-ins that they list.</summary>
    /// <param name="file">The file; null for <c>appsettings.json</c>, which need not be there.</param>
    /// <param name="environment">Environment variables.</param>
    /// <param name="assignments">Paths with their values.</param>
    /// <exception cref="FedCoreException">They cannot be read, or are not as they must be.</exception>
    internal static ReadSettings<AggregatorSettings> Read(string? file, IEnumerable<KeyValuePair<string, string>> environment, IReadOnlyList<string> assignments)
    {
        ReadSettings<AggregatorSettings> read = new SettingsReader(Section, Registry.CreateDefault()).Read<AggregatorSettings>(file, environment, assignments);
        read.Settings.Privacy.Check();
        TelemetryExport.CollectorOf(read.Settings.Otlp, $"{Section}.otlp");
        return read with { Settings = read.Settings with { Folder = read.Folder } };
    }

    internal string PathOf(string path) => Path.GetFullPath(Path.Combine(Folder, path));
}

/// <summary>A certificate with its key.</summary>
public sealed record CertificateSettings
{
    /// <summary>A PEM file with the certificate and those that it was signed with, or a PKCS #12 file.</summary>
    [StringLength(4096, MinimumLength = 1)]
    public required string Path { get; init; }

    /// <summary>A PEM file with the key; null where <see cref="Path"/> holds it.</summary>
    public string? KeyPath { get; init; }

    /// <summary>The password of the key, or of the PKCS #12 file.</summary>
    public string? Password { get; init; }
}
