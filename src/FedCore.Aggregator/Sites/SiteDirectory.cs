using System.Collections.Concurrent;
using System.Text.Json;
using FedCore.Aggregator.Journal;
using FedCore.SecureAggregation.Identity;

namespace FedCore.Aggregator.Sites;

/// <summary>The sites that may join. Safe for many threads.</summary>
/// <param name="log">Where they are kept.</param>
/// <param name="clock">Tells who was heard of when.</param>
/// <param name="liveness">After how long without a sign of life a site counts as gone.</param>
internal sealed class SiteDirectory(IEventLog log, TimeProvider clock, TimeSpan liveness) : IDisposable
{
    private readonly SemaphoreSlim _writing = new(1);
    private readonly ConcurrentDictionary<string, Site> _byName = new(StringComparer.Ordinal), _byToken = new(StringComparer.Ordinal);
    private volatile Site[] _all = [];

    /// <summary>Raised when a site came or went.</summary>
    public event Action? Changed;

    /// <summary>All sites, in the order in which they were added.</summary>
    public IReadOnlyList<Site> All => _all;

    /// <summary>Reads the sites from the log.</summary>
    public async Task LoadAsync(CancellationToken ct)
    {
        await foreach (LoggedEvent logged in log.ReadAsync(SiteFact.Stream, 0, ct).ConfigureAwait(false))
            Apply(JsonSerializer.Deserialize<SiteFact>(logged.Json, SiteFact.Json)!);
    }

    /// <summary>Finds a site by its name.</summary>
    public Site? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Finds the site that a token belongs to, by the token's hash.</summary>
    public Site? FindByToken(string hash) => _byToken.TryGetValue(hash, out Site? site) && site.TokenHash is { } kept && JoinToken.Matches(hash, kept) ? site : null;

    /// <summary>Adds a site.</summary>
    /// <returns>Its token.</returns>
    /// <exception cref="FedCoreException">The name cannot be used (<c>site.name</c>) or is taken (<c>site.exists</c>).</exception>
    public async Task<string> AddAsync(string name, CancellationToken ct)
    {
        if (!Roster.IsName(name))
        {
            throw FedCoreException.Configuration(
                "site.name", $"'{Shown.Of(name)}' cannot be a site's name. Use letters, digits, dots, hyphens and underscores, at most 100, and begin with a letter or a digit.");
        }

        string token = JoinToken.New();
        await _writing.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            if (_byName.ContainsKey(name)) throw FedCoreException.Configuration("site.exists", $"There is a site '{name}' already. Give it a new token, or choose another name.");
            await RecordAsync(new SiteAdded(name, JoinToken.Hash(token)), ct).ConfigureAwait(false);
        }
        finally
        {
            _writing.Release();
        }

        return token;
    }

    /// <summary>Gives a site another token, or takes the one that it has.</summary>
    /// <returns>The new token; null where there is none.</returns>
    /// <exception cref="FedCoreException">There is no such site (<c>site.unknown</c>).</exception>
    public async Task<string?> ReplaceTokenAsync(string name, bool revoke, CancellationToken ct)
    {
        string? token = revoke ? null : JoinToken.New();
        await _writing.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            if (!_byName.TryGetValue(name, out Site? site)) throw FedCoreException.Configuration("site.unknown", $"There is no site '{Shown.Of(name)}'.");
            await RecordAsync(new TokenReplaced(name, token is null ? null : JoinToken.Hash(token)), ct).ConfigureAwait(false);
            site.Dismiss();
        }
        finally
        {
            _writing.Release();
        }

        return token;
    }

    /// <summary>Takes note of who a site is: the first identity that it comes with is its own, until it gets another token.</summary>
    /// <param name="site">The site.</param>
    /// <param name="key">Its public identity key.</param>
    /// <param name="roster">The roster by which it knows the others' keys; empty for none.</param>
    /// <param name="pinned">The roster that counts here; null for none.</param>
    /// <param name="ct">Cancels it.</param>
    /// <exception cref="FedCoreException">It is another one (<c>site.identity</c>).</exception>
    public async Task IdentifyAsync(Site site, ReadOnlyMemory<byte> key, string roster, Roster? pinned, CancellationToken ct)
    {
        await _writing.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            if (pinned is not null)
            {
                if (pinned.TryFind(site.Name, out ReadOnlyMemory<byte> expected) && !expected.Span.SequenceEqual(key.Span))
                {
                    throw FedCoreException.Configuration(
                        "site.identity", $"The client of the site '{site.Name}' has another identity key than roster {pinned.Serial} of {pinned.Federation} says. Give it the key that is in the roster, or have a roster signed with its own.");
                }
            }
            else if (site.IdentityKey is { } known && !known.Span.SequenceEqual(key.Span))
            {
                throw FedCoreException.Configuration(
                    "site.identity", $"The client of the site '{site.Name}' has another identity key than the one it first came with. Give it its key back; or, where the site has a new one, give the site a new token, with: fedcore site token {site.Name}");
            }

            if (_all.FirstOrDefault(other => other != site && other.IdentityKey is { } taken && taken.Span.SequenceEqual(key.Span)) is { } twin)
            {
                throw FedCoreException.Configuration(
                    "site.identity", $"The client of the site '{site.Name}' has the identity key of '{twin.Name}'. Each site has one of its own: give this one another, with: fedcore federation identity --out FILE");
            }

            if (site.IdentityKey is { } same && same.Span.SequenceEqual(key.Span) && site.Roster == roster) return;
            await RecordAsync(new SiteIdentified(site.Name, Convert.ToBase64String(key.Span), roster), ct).ConfigureAwait(false);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Tells those who wait for sites that one came or went.</summary>
    public void RaiseChanged() => Changed?.Invoke();

    /// <inheritdoc/>
    public void Dispose() => _writing.Dispose();

    private async Task RecordAsync(SiteFact fact, CancellationToken ct)
    {
        await log.AppendSoundAsync(SiteFact.Stream, fact.GetType().Name, JsonSerializer.Serialize(fact, SiteFact.Json), ct).ConfigureAwait(false);
        Apply(fact);
    }

    private void Apply(SiteFact fact)
    {
        switch (fact)
        {
            // A fact that was taken for lost may have been kept, and another have come in its place.
            case SiteAdded added when _byName.ContainsKey(added.Name):
                Apply(new TokenReplaced(added.Name, added.TokenHash));
                break;
            case SiteAdded added:
                var site = new Site(added.Name, added.TokenHash, clock, liveness, RaiseChanged);
                _byName[added.Name] = site;
                _byToken[added.TokenHash] = site;
                _all = [.. _all, site];
                break;
            case TokenReplaced replaced when _byName.TryGetValue(replaced.Name, out Site? known):
                if (known.TokenHash is { } old) _byToken.TryRemove(old, out _);
                known.TokenHash = replaced.TokenHash;
                known.IdentityKey = null;
                if (replaced.TokenHash is { } hash) _byToken[hash] = known;
                break;
            case SiteIdentified identified when _byName.TryGetValue(identified.Name, out Site? known):
                (known.IdentityKey, known.Roster) = (Convert.FromBase64String(identified.Key), identified.Roster);
                break;
        }
    }
}
