using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Text.Json.Nodes;
using FedCore.Client.Resources;
using FedCore.Hosting.Federation;
using FedCore.Hosting.Settings;
using FedCore.Hosting.Telemetry;
using FedCore.Naming;
using FedCore.Naming.PlugIns;
using FedCore.Training;
using FedCore.Training.Data;
using FedCore.Training.Data.Datasets;

namespace FedCore.Client.Settings;

/// <summary>What a site says to its client: the section <c>client</c> of its settings.</summary>
public sealed record ClientSettings
{
    private const string Section = "client";

    /// <summary>The aggregator's address, such as <c>https://aggregator.example.org</c>. Nothing else is connected to.</summary>
    [StringLength(2048, MinimumLength = 1)]
    public required string Aggregator { get; init; }

    /// <summary>The site's join token, by which the aggregator knows which site this is; or use <see cref="TokenFile"/>.</summary>
    public string? Token { get; init; }

    /// <summary>A file that holds the token and nothing else. It is read again whenever the client joins.</summary>
    [StringLength(4096, MinimumLength = 1)]
    public string? TokenFile { get; init; }

    /// <summary>Where the client keeps what must outlast it: updates on their way, what it learns from round to round, downloads. For one client at a time.</summary>
    [StringLength(4096, MinimumLength = 1)]
    public string DataFolder { get; init; } = "client-data";

    /// <summary>
    /// A PEM file with the site's private identity key, with which it signs what it says in secure sums, as <c>fedcore federation identity</c> makes it; null for a key that the client
    /// makes for itself and keeps in <see cref="DataFolder"/>.
    /// </summary>
    [StringLength(4096, MinimumLength = 1)]
    public string? IdentityKey { get; init; }

    /// <summary>
    /// The federation's roster, by which the site knows the others' identity keys whatever the aggregator says. Without one it believes the aggregator: then secure sums keep something
    /// from one that is curious, but nothing from one that lies.
    /// </summary>
    public RosterSettings? Roster { get; init; }

    /// <summary>What the site demands of secure sums, whatever runs say.</summary>
    public SecureAggregationDemands SecureAggregation { get; init; } = new();

    /// <summary>What the site demands of differential privacy, whatever runs say, and where it keeps account.</summary>
    public PrivacyDemands Privacy { get; init; } = new();

    /// <summary>Where the site's examples come from.</summary>
    public required IDataSource Data { get; init; }

    /// <summary>The share of its examples that the site holds back for evaluations, where the data has no test set of its own.</summary>
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double TestFraction { get; init; } = ClientSplit.DefaultTestFraction;

    /// <summary>What trains; null for the embedded engine.</summary>
    public ITrainer? Trainer { get; init; }

    /// <summary>Assemblies whose data sources, trainers and strategies may be named here and in runs. No other code of others is ever loaded.</summary>
    public IReadOnlyList<PlugInReference> PlugIns { get; init; } = [];

    /// <summary>What the client may take of the machine.</summary>
    public ResourceLimits Limits { get; init; } = new();

    /// <summary>Speaks gRPC-Web over HTTP/1.1, for networks whose proxies let nothing newer through.</summary>
    public bool Web { get; init; }

    /// <summary>Lets the client use an address with <c>http</c> beyond this machine: everything, the token too, can then be read and changed on the way.</summary>
    public bool AllowInsecure { get; init; }

    /// <summary>A PEM file with the certificate of the private authority that has signed the aggregator's; null to trust what the machine trusts.</summary>
    [StringLength(4096, MinimumLength = 1)]
    public string? TrustedCertificate { get; init; }

    /// <summary>How many MB of models and other downloads are kept.</summary>
    [Range(1, 16_000_000)]
    public int CacheMb { get; init; } = 2000;

    /// <summary>How many seconds a running task has to finish when the client is told to stop. What is not finished is done anew after the next start.</summary>
    [Range(0, 86_400)]
    public int StopSeconds { get; init; } = 30;

    /// <summary>The address of a collector that measurements and activities are sent to by OTLP over HTTP, such as <c>http://localhost:4318</c>; null for none.</summary>
    public string? Otlp { get; init; }

    /// <summary>The folder in which relative paths begin: that of the settings file, or the current one.</summary>
    public string Folder { get; internal init; } = Directory.GetCurrentDirectory();

    /// <summary>The JSON schema of the settings file.</summary>
    /// <param name="registry">The names that may stand in it.</param>
    /// <param name="describe">A description for a type or property, or null for none.</param>
    /// <returns>The schema. The file may have other sections, which are other programs' business.</returns>
    public static JsonObject Schema(Registry registry, Func<MemberInfo, string?>? describe = null) => new SettingsReader(Section, registry).Schema<ClientSettings>(describe);

    /// <summary>Reads the settings, and loads the plug-ins that they list.</summary>
    /// <param name="file">The file; null for <c>appsettings.json</c>, which need not be there.</param>
    /// <param name="environment">Environment variables.</param>
    /// <param name="assignments">Paths with their values.</param>
    /// <exception cref="FedCoreException">They cannot be read, or are not as they must be.</exception>
    internal static ReadSettings<ClientSettings> Read(string? file, IEnumerable<KeyValuePair<string, string>> environment, IReadOnlyList<string> assignments)
    {
        ReadSettings<ClientSettings> read = new SettingsReader(Section, Registry.CreateDefault().AddClient()).Read<ClientSettings>(file, environment, assignments);
        read.Settings.Check();
        return read with { Settings = read.Settings with { Folder = read.Folder } };
    }

    /// <summary>The address alone: a token is not for logs.</summary>
    /// <returns>The text.</returns>
    public override string ToString() => $"client of {Aggregator}";

    internal string PathOf(string path) => Path.GetFullPath(Path.Combine(Folder, path));

    /// <summary>Where the site's data files are.</summary>
    internal DataFolders DataFolders => DataFolders.OfSite(Folder, new DatasetStore());

    /// <summary>Whether what is sent can be read on the way.</summary>
    internal bool IsInsecure => Address is { Scheme: "http", IsLoopback: false };

    private Uri? Address => Uri.TryCreate(Aggregator, UriKind.Absolute, out Uri? address) && address.Scheme is "http" or "https" ? address : null;

    /// <summary>Refuses settings that contradict themselves.</summary>
    /// <exception cref="FedCoreException">They do (<c>client.settings</c>).</exception>
    internal void Check()
    {
        if (Address is not { } address || address.Host.Length == 0)
            throw Fault($"client.aggregator is '{Shown.Of(Aggregator)}', which is no address. Write it as https://host or https://host:port");
        if (address.AbsolutePath != "/" || address.Query.Length > 0 || address.Fragment.Length > 0 || address.UserInfo.Length > 0)
            throw Fault($"client.aggregator is '{Shown.Of(Aggregator)}', which is more than an address. Write it as https://host or https://host:port");
        if (IsInsecure && !AllowInsecure)
        {
            throw Fault($"client.aggregator is '{Shown.Of(Aggregator)}': everything that is sent there, the token too, could be read and changed on the way. "
                + "Use https. In a network of your own that nobody else reaches, client.allowInsecure can be set to true");
        }

        Privacy.Check();
        TelemetryExport.CollectorOf(Otlp, $"{Section}.otlp");
        if (Token is null == TokenFile is null) throw Fault("client needs either \"token\" or \"tokenFile\", by which the aggregator knows which site this is. Give one of the two");
    }

    private static FedCoreException Fault(string message) => FedCoreException.Configuration("client.settings", message + ".");
}
