using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using FedCore.Cli.Display;
using FedCore.Cli.Service;
using FedCore.Protocol.V1;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore site</c>: the sites of an aggregator.</summary>
internal static class SiteCommand
{
    public static Command Create(TextWriter output)
    {
        AdminConnection.Options options = AdminConnection.Options.New();
        var list = new ExampleCommand("list", "Lists the sites: who is connected, which roster each pins, and what they do.", "fedcore site list");
        options.AddTo(list);
        list.SetAction((parsed, ct) => ListAsync(options, parsed, output, ct));

        AdminConnection.Options adding = AdminConnection.Options.New();
        var name = new Argument<string>("NAME") { Description = "The site's name. Random streams are keyed by it: the same name gives the same bits as in a simulation." };
        var file = new Option<string?>("--out") { Description = "Write the token to this file, which must not be there yet, and which only you can read.", HelpName = "FILE" };
        var add = new ExampleCommand("add", "Adds a site. Its join token is shown this once, or written to a file.", "fedcore site add cleveland --out cleveland.token") { name, file };
        adding.AddTo(add);
        add.SetAction(async (parsed, ct) =>
        {
            using AdminConnection connection = adding.Connect(parsed);
            string site = parsed.GetValue(name)!;
            await GiveTokenAsync(() => AddAsync(connection, site, ct), site, parsed.GetValue(file), parsed.GetValue(adding.Json), output);
            return 0;
        });

        AdminConnection.Options replacing = AdminConnection.Options.New();
        var revoke = new Option<bool>("--revoke") { Description = "No new token: the site can no longer join." };
        var token = new ExampleCommand("token", "Gives a site a new join token, shown this once or written to a file; the old one is no longer good.", "fedcore site token cleveland --out cleveland.token")
        {
            name, file, revoke,
        };
        replacing.AddTo(token);
        token.Validators.Add(parsed =>
        {
            if (parsed.GetValue(revoke) && parsed.GetValue(file) is not null) parsed.AddError("--revoke gives no new token, so that there is none for --out. Give one of the two.");
        });
        token.SetAction(async (parsed, ct) =>
        {
            using AdminConnection connection = replacing.Connect(parsed);
            (string site, bool isJson) = (parsed.GetValue(name)!, parsed.GetValue(replacing.Json));
            if (!parsed.GetValue(revoke))
            {
                await GiveTokenAsync(() => ReplaceAsync(connection, site, revoke: false, ct), site, parsed.GetValue(file), isJson, output);
                return 0;
            }

            await ReplaceAsync(connection, site, revoke: true, ct);
            await output.WriteLineAsync(isJson ? JsonSerializer.Serialize(new { site, revoked = true }) : $"{site} can no longer join.");
            return 0;
        });
        return new Command("site", "The sites of an aggregator.") { list, add, token };
    }

    private static async Task<string> AddAsync(AdminConnection connection, string site, CancellationToken ct) =>
        (await connection.CallAsync(c => c.Admin.AddSiteAsync(new AddSiteRequest { Name = site }, cancellationToken: ct).ResponseAsync, ct)).Token;

    private static async Task<string> ReplaceAsync(AdminConnection connection, string site, bool revoke, CancellationToken ct) =>
        (await connection.CallAsync(c => c.Admin.ReplaceTokenAsync(new ReplaceTokenRequest { Name = site, Revoke = revoke }, cancellationToken: ct).ResponseAsync, ct)).Token;

    private static async Task GiveTokenAsync(Func<Task<string>> token, string site, string? path, bool isJson, TextWriter output)
    {
        if (path is null)
        {
            string shown = await token();
            await output.WriteLineAsync(isJson ? JsonSerializer.Serialize(new { site, token = shown }) : shown);
            return;
        }

        await PrivateFile.WriteAsync(path, "and may hold a token of which there is no copy. Name another file with --out.", async () => await token() + Environment.NewLine);
        await output.WriteLineAsync(isJson ? JsonSerializer.Serialize(new { site, file = path }) : $"{path}: the join token of {site}, for that site and nobody else.");
    }

    private static async Task<int> ListAsync(AdminConnection.Options options, ParseResult parsed, TextWriter output, CancellationToken ct)
    {
        using AdminConnection connection = options.Connect(parsed);
        ListSitesReply reply = await connection.CallAsync(c => c.Admin.ListSitesAsync(new ListSitesRequest(), cancellationToken: ct).ResponseAsync, ct);
        if (parsed.GetValue(options.Json))
        {
            foreach (SiteStatus site in reply.Sites)
            {
                await output.WriteLineAsync(JsonSerializer.Serialize(new
                {
                    name = site.Name,
                    connected = site.IsConnected,
                    lastSeen = TimeOf(site.LastSeenUnixMilliseconds),
                    software = site.Software,
                    cores = site.Cores,
                    memoryBytes = site.MemoryBytes,
                    activity = site.Activity,
                    roster = site.Roster,
                    identityKey = site.IdentityKey.IsEmpty ? null : site.IdentityKey.ToBase64(),
                    revoked = site.IsRevoked,
                }));
            }

            return 0;
        }

        TextTable.Write(
            output, ["site", "state", "last seen", "software", "roster", "does"],
            reply.Sites.Select(site => (string[])
            [
                site.Name, site.IsRevoked ? "revoked" : site.IsConnected ? "connected" : "away",
                TimeOf(site.LastSeenUnixMilliseconds)?.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture) ?? "", Shown.Of(site.Software),
                site.IdentityKey.IsEmpty ? "" : site.Roster.Length > 0 ? Shown.Of(site.Roster) : "none", site.Activity,
            ]),
            "There are no sites. Add one with: fedcore site add NAME");
        return 0;
    }

    private static DateTimeOffset? TimeOf(long milliseconds) => milliseconds == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);
}
