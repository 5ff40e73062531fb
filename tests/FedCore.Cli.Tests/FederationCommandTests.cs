using FedCore.SecureAggregation.Identity;
using FedCore.Tests;

namespace FedCore.Cli.Tests;

public class FederationCommandTests
{
    [Fact]
    public async Task A_roster_is_signed_by_the_root_and_believed_by_who_pins_it()
    {
        using var folder = new TemporaryFolder();
        await InitAsync(folder);
        foreach (string site in (string[])["cleveland", "zurich"])
        {
            string key = (await Fedcore.SucceedAsync("federation", "identity", "--out", folder[site + ".key"])).Output.Trim();
            await Fedcore.SucceedAsync("federation", "add-site", site, "--key", key, "--folder", folder["root"]);
        }

        for (int serial = 1; serial <= 2; serial++)
        {
            await Fedcore.SucceedAsync("federation", "sign-roster", "--out", folder["roster.json"], "--folder", folder["root"]);
            Fedcore.Outcome shown = await Fedcore.SucceedAsync("federation", "show", folder["roster.json"], "--root", Path.Combine(folder["root"], "root.pub"), "--json");
            Assert.Equal(serial, shown.Json.GetProperty("serial").GetInt32());
            Assert.Equal(["cleveland", "zurich"], shown.Json.GetProperty("sites").EnumerateArray().Select(site => site.GetString()));
        }

        byte[] root = await RootAsync(folder), file = await File.ReadAllBytesAsync(folder["roster.json"], TestContext.Current.CancellationToken);
        var roster = Roster.Read(file, root);
        Assert.True(roster.TryFind("zurich", out ReadOnlyMemory<byte> zurich));
        using var identity = IdentityKeys.FromPem(await File.ReadAllTextAsync(folder["zurich.key"], TestContext.Current.CancellationToken), "zurich.key");
        Assert.Equal(identity.PublicKey.ToArray(), zurich.ToArray());
        Assert.Contains("cleveland", (await Fedcore.SucceedAsync("federation", "show", folder["roster.json"], "--root", Convert.ToBase64String(root))).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Private_keys_are_their_owners_alone_and_never_overwritten()
    {
        using var folder = new TemporaryFolder();
        await InitAsync(folder);
        await Fedcore.SucceedAsync("federation", "identity", "--out", folder["site.key"]);
        foreach (string path in (string[])[Path.Combine(folder["root"], "root.key"), folder["site.key"]])
            if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal(3, (await Fedcore.RunAsync("federation", "init", "other", "--folder", folder["root"])).Code);
        Assert.Equal(3, (await Fedcore.RunAsync("federation", "identity", "--out", folder["site.key"])).Code);
    }

    [Fact]
    public async Task A_site_that_is_there_gets_another_key_only_if_that_is_said()
    {
        using var folder = new TemporaryFolder();
        await InitAsync(folder);
        string first = await KeyAsync(folder, "a"), second = await KeyAsync(folder, "b");
        string[] add = ["federation", "add-site", "cleveland", "--folder", folder["root"], "--key"];
        await Fedcore.SucceedAsync([.. add, first]);
        await Fedcore.SucceedAsync([.. add, first]);
        Fedcore.Outcome refused = await Fedcore.RunAsync([.. add, second]);
        Assert.Equal(3, refused.Code);
        Assert.Contains("there already, with another key", refused.Error, StringComparison.Ordinal);
        await Fedcore.SucceedAsync([.. add, second, "--replace"]);
        Fedcore.Outcome twin = await Fedcore.RunAsync("federation", "add-site", "zurich", "--folder", folder["root"], "--key", second);
        Assert.Contains("The key is that of 'cleveland'", twin.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_removed_site_is_not_in_the_next_roster()
    {
        using var folder = new TemporaryFolder();
        await InitAsync(folder);
        foreach (string site in (string[])["a", "b"]) await Fedcore.SucceedAsync("federation", "add-site", site, "--folder", folder["root"], "--key", await KeyAsync(folder, site));
        await Fedcore.SucceedAsync("federation", "remove-site", "a", "--folder", folder["root"]);
        Fedcore.Outcome signed = await Fedcore.SucceedAsync("federation", "sign-roster", "--out", folder["roster.json"], "--folder", folder["root"], "--json");
        Assert.Equal(["b"], signed.Json.GetProperty("sites").EnumerateArray().Select(site => site.GetString()));
    }

    [Theory]
    [InlineData("is no federation's name", "init", "a b")]
    [InlineData("is no federation's folder", "add-site", "x", "--key", "{key}", "--folder", "nowhere")]
    [InlineData("is no public key", "add-site", "x", "--key", "BFo4")]
    [InlineData("is no site's name", "add-site", "x/y", "--key", "{key}")]
    [InlineData("There is no site 'x'", "remove-site", "x")]
    [InlineData("has no sites yet", "sign-roster")]
    public async Task What_is_mistyped_is_said(string message, params string[] args)
    {
        using var folder = new TemporaryFolder();
        await InitAsync(folder);
        string key = await KeyAsync(folder, "some");
        string[] asked = [.. args.Select(arg => arg == "{key}" ? key : arg)];
        if (!asked.Contains("--folder") && asked[0] != "init") asked = [.. asked, "--folder", folder["root"]];
        Fedcore.Outcome outcome = await Fedcore.RunAsync(["federation", .. asked]);
        Assert.Equal(3, outcome.Code);
        Assert.Contains(message, outcome.Error, StringComparison.Ordinal);
    }

    private static async Task InitAsync(TemporaryFolder folder) => await Fedcore.SucceedAsync("federation", "init", "heart-study", "--folder", folder["root"]);

    private static async Task<string> KeyAsync(TemporaryFolder folder, string site) => (await Fedcore.SucceedAsync("federation", "identity", "--out", folder[site + "-identity.key"])).Output.Trim();

    private static async Task<byte[]> RootAsync(TemporaryFolder folder) => Roster.ParseKey(await File.ReadAllTextAsync(Path.Combine(folder["root"], "root.pub"), TestContext.Current.CancellationToken));
}
