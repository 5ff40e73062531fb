using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.RegularExpressions;
using FedCore.Aggregator.Journal;
using FedCore.Aggregator.Models;
using FedCore.Aggregator.Sites;
using FedCore.Aggregator.Spooling;
using FedCore.Aggregator.Telemetry;
using FedCore.Privacy;
using FedCore.Protocol.V1;
using FedCore.Rounds;

namespace FedCore.Aggregator.Runs;

/// <summary>The runs of an aggregator. Safe for many threads.</summary>
internal sealed partial class RunDirectory(AggregatorParts parts) : IAsyncDisposable
{
    private readonly SemaphoreSlim _writing = new(1);
    private readonly ConcurrentDictionary<string, RunHost> _runs = new(StringComparer.Ordinal);
    private volatile RunHost[] _all = [];

    /// <summary>All runs, oldest first.</summary>
    public IReadOnlyList<RunHost> All => _all;

    /// <summary>Ends when of every run it is known which tasks of an earlier process are still wanted.</summary>
    public Task Settled { get; private set; } = Task.CompletedTask;

    /// <summary>Ends when every run of an earlier process has taken hold of its models.</summary>
    public Task Recovered { get; private set; } = Task.CompletedTask;

    /// <summary>Finds a run.</summary>
    public RunHost? Find(string run) => _runs.GetValueOrDefault(run);

    /// <summary>Whether something can be the name of a run.</summary>
    public static bool IsName(string run) => RunName().IsMatch(run);

    /// <summary>Whether a run is over for a site: it has ended, or there is none of this name and definition in which the site takes part.</summary>
    /// <param name="run">The run, as its coordinator named it.</param>
    /// <param name="definition">SHA-256 of its definition.</param>
    /// <param name="site">The site, which is told nothing of runs in which it takes no part.</param>
    public bool IsOver(string run, ReadOnlySpan<byte> definition, Site site) =>
        Find(run) is not { HasEnded: false } open || open.Definition.Digest != StoredBlob.DigestOf(definition) || !open.Sites.Contains(site);

    /// <summary>Goes on with the runs of an earlier process.</summary>
    /// <param name="recovered">The updates that it left.</param>
    /// <param name="ct">Cancels the reading.</param>
    public async Task LoadAsync(IEnumerable<SpooledUpdate> recovered, CancellationToken ct)
    {
        var created = new OrderedDictionary<string, RunCreated>();
        var held = new HashSet<string>();
        var cancelled = new HashSet<string>();
        await foreach (LoggedEvent logged in parts.Log.ReadAsync(RunFact.Stream, 0, ct).ConfigureAwait(false))
        {
            switch (JsonSerializer.Deserialize<RunFact>(logged.Json, RunFact.Json))
            {
                case RunCreated fact:
                    // A fact that was taken for lost may have been kept, and another have come in its place.
                    created[fact.Run] = fact;
                    break;
                case RunHeld fact:
                    if (fact.Paused) held.Add(fact.Run);
                    else held.Remove(fact.Run);
                    break;
                case RunCancelled fact:
                    cancelled.Add(fact.Run);
                    break;
            }
        }

        ILookup<string, (string, SpooledUpdate)> updates = recovered.ToLookup(update => update.Run, update => (UploadHead.Parser.ParseFrom(update.Label.Span).TaskId, update));
        foreach (RunCreated fact in created.Values)
        {
            RunDocument document = RunDocument.Read(fact.Definition, parts.Blobs, parts.Registry);
            parts.Blobs.Acquire(fact.Definition);
            if (fact.Start is not null) parts.Blobs.Acquire(fact.Start);
            Add(new RunHost(parts, fact, document, SitesOf(fact.Sites), held.Contains(fact.Run), cancelled.Contains(fact.Run), [.. updates[fact.Run]]));
        }

        foreach ((_, SpooledUpdate update) in updates.Where(run => !_runs.ContainsKey(run.Key)).SelectMany(run => run)) update.Release();
        foreach (RunHost run in _all) run.Start();
        Settled = Task.WhenAll(_all.Select(run => run.Settled));
        Recovered = Task.WhenAll(_all.Select(run => run.Recovered));
    }

    /// <summary>Defines a run, and begins it.</summary>
    /// <exception cref="FedCoreException">The definition, the name or a site is not as it must be.</exception>
    public async Task<RunHost> CreateAsync(CreateRunRequest request, CancellationToken ct)
    {
        if (!IsName(request.RunId))
            throw FedCoreException.Configuration("run.name", $"run_id is '{Shown.Of(request.RunId)}'. Use lower-case letters, digits and hyphens, at most 63, and begin with a letter.");
        if (DeviceName().IsMatch(request.RunId))
            throw FedCoreException.Configuration("run.name", $"run_id is '{request.RunId}', as Windows calls a device, and a run has folders of its name. Choose another name.");
        RunPlan plan = RunDocument.PlanOf(request.Definition.Span, parts.Registry);
        IReadOnlyList<Site> sites = request.Sites.Count == 0 ? [.. parts.Sites.All.Where(site => site.TokenHash is not null)] : SitesOf(request.Sites);
        if (sites.Count == 0) throw FedCoreException.Configuration("run.sites", "There are no sites that may join. Add them first, with: fedcore site add NAME.");
        if (sites.Distinct().Count() != sites.Count) throw FedCoreException.Configuration("run.sites", "sites names one twice. Name each once.");
        plan.CheckPopulation(sites.Count);
        parts.Privacy.Require(plan, [.. sites.Select(site => site.Name)]);
        if (plan.Definition.SecureAggregation is not null && parts.Roster?.Read() is { } roster && sites.FirstOrDefault(site => !roster.TryFind(site.Name, out _)) is { } stranger)
        {
            throw FedCoreException.Configuration(
                "run.roster", $"The run sums securely, but the site '{stranger.Name}' is not in roster {roster.Serial} of {roster.Federation}. Leave it out, or add it to the roster, with: fedcore federation add-site {stranger.Name} --key KEY");
        }

        string? start = StartOf(request, plan);
        RequireNew(request.RunId);
        StoredBlob definition = await parts.Blobs.PutAsync(stream => stream.Write(plan.CanonicalBytes.Span), ct).ConfigureAwait(false);
        await _writing.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            RequireNew(request.RunId);
            var created = new RunCreated(request.RunId, parts.Clock.GetUtcNow(), definition.Digest, [.. sites.Select(site => site.Name)], start);
            await RecordAsync(created, ct).ConfigureAwait(false);
            if (start is not null) parts.Blobs.Acquire(start);
            var run = new RunHost(parts, created, new RunDocument(definition, plan), sites, isPaused: false, isCancelled: false, []);
            Add(run);
            Log.RunCreated(parts.Logger, run.Id, plan.Hash, sites.Count);
            if (plan.Definition.SecureAggregation is not null && parts.Roster is null) Log.CuriousServerOnly(parts.Logger, run.Id);
            if (plan.Privacy?.WarningFor(PrivacyUnit.Client, sites.Count) is { } warning) Log.WeakPromise(parts.Logger, run.Id, warning);
            run.Start();
            return run;
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Holds a run before its next round, or lets it go on.</summary>
    public async Task HoldAsync(RunHost run, bool paused, CancellationToken ct)
    {
        // One at a time: the run does what was recorded last.
        await _writing.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            RequireOpen(run);
            await RecordAsync(new RunHeld(run.Id, paused), ct).ConfigureAwait(false);
            run.Gate.Set(paused);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Ends a run for good.</summary>
    public async Task CancelAsync(RunHost run, CancellationToken ct)
    {
        RequireOpen(run);
        await RecordAsync(new RunCancelled(run.Id), ct).ConfigureAwait(false);
        await run.CancelAsync().WaitAsync(ct).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (RunHost run in _all) await run.DisposeAsync().ConfigureAwait(false);
        _writing.Dispose();
    }

    private static void RequireOpen(RunHost run)
    {
        if (run.HasEnded) throw FedCoreException.RunFailed("run.ended", $"The run '{run.Id}' has ended.");
    }

    private void RequireNew(string run)
    {
        if (_runs.ContainsKey(run)) throw FedCoreException.Configuration("run.exists", $"There is a run '{run}' already. Choose another name.");
    }

    private void Add(RunHost run)
    {
        _runs[run.Id] = run;
        _all = [.. _all, run];
    }

    private string? StartOf(CreateRunRequest request, RunPlan plan)
    {
        if (plan.Definition.Start is null) return null;
        if (request.Start is not { Digest.Length: 32 } start || !parts.Blobs.Contains(StoredBlob.DigestOf(start.Digest.Span)))
            throw FedCoreException.Configuration("run.start", "The definition begins from a checkpoint, but none was sent along.");
        string digest = StoredBlob.DigestOf(start.Digest.Span);
        if (plan.Definition.Start.Sha256 is { } expected && !digest.EndsWith(expected, StringComparison.OrdinalIgnoreCase))
            throw FedCoreException.Configuration("run.start", $"The checkpoint's digest is {digest}, but the definition's start.sha256 is {expected}.");
        return digest;
    }

    private IReadOnlyList<Site> SitesOf(IEnumerable<string> names) => [.. names.Select(SiteOf)];

    private Site SiteOf(string name)
    {
        Site site = parts.Sites.Find(name) ?? throw FedCoreException.Configuration("run.sites", $"There is no site '{Shown.Of(name)}'. Add it first, with: fedcore site add {Shown.Of(name)}.");
        return site.TokenHash is not null
            ? site
            : throw FedCoreException.Configuration("run.sites", $"The site '{name}' can no longer join: its token was revoked. Leave it out, or give it a new one, with: fedcore site token {name}.");
    }

    private ValueTask RecordAsync(RunFact fact, CancellationToken ct) =>
        parts.Log.AppendSoundAsync(RunFact.Stream, fact.GetType().Name, JsonSerializer.Serialize(fact, RunFact.Json), ct);

    [GeneratedRegex(@"^[a-z][a-z0-9-]{0,62}\z")]
    private static partial Regex RunName();

    // A run of an earlier version may have such a name.
    [GeneratedRegex(@"^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])\z")]
    private static partial Regex DeviceName();
}
