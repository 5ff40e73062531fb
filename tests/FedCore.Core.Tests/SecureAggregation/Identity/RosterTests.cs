using System.Text;
using System.Text.Json.Nodes;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Suites;

namespace FedCore.Core.Tests.SecureAggregation.Identity;

public class RosterTests
{
    private static readonly ISecureAggregationSuite Suite = SecureAggregationSuites.Default;

    [Fact]
    public void A_roster_comes_back_with_its_sites()
    {
        using ISigningKey root = Suite.CreateSigningKey();
        Roster roster = Signed(root, out byte[] cleveland);
        var read = Roster.Read(roster.ToFile(), root.PublicKey.Span);
        Assert.Equal(("heart", 7L), (read.Federation, read.Serial));
        Assert.Equal(["cleveland", "zurich"], read.Sites);
        Assert.True(read.TryFind("cleveland", out ReadOnlyMemory<byte> key));
        Assert.Equal(cleveland, key.ToArray());
        Assert.False(read.TryFind("Cleveland", out _));
        Assert.True(read.ArePinned);
    }

    [Fact]
    public void A_roster_of_another_root_is_refused()
    {
        using ISigningKey root = Suite.CreateSigningKey(), other = Suite.CreateSigningKey();
        Assert.Equal("roster.signature", Code(() => Roster.Read(Signed(root, out _).ToFile(), other.PublicKey.Span)));
    }

    [Theory]
    [InlineData("federation")]
    [InlineData("serial")]
    [InlineData("site added")]
    [InlineData("site removed")]
    [InlineData("site renamed")]
    [InlineData("key replaced")]
    [InlineData("signature")]
    public void Whatever_is_altered_the_roster_is_refused(string what)
    {
        using ISigningKey root = Suite.CreateSigningKey(), intruder = Suite.CreateSigningKey();
        JsonObject file = JsonNode.Parse(Signed(root, out _).ToFile())!.AsObject();
        JsonObject sites = file["sites"]!.AsObject();
        switch (what)
        {
            case "federation": file["federation"] = "lungs"; break;
            case "serial": file["serial"] = 8; break;
            case "site added": sites["intruder"] = Convert.ToBase64String(intruder.PublicKey.Span); break;
            case "site removed": sites.Remove("zurich"); break;
            case "site renamed":
                JsonNode key = sites["zurich"]!.DeepClone();
                sites.Remove("zurich");
                sites["bern"] = key;
                break;
            case "key replaced": sites["zurich"] = Convert.ToBase64String(intruder.PublicKey.Span); break;
            default: file["signature"] = Convert.ToBase64String(new byte[64]); break;
        }

        Assert.Equal("roster.signature", Code(() => Roster.Read(Encoding.UTF8.GetBytes(file.ToJsonString()), root.PublicKey.Span)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{\"federation\":\"a\",\"serial\":1}")]
    [InlineData("{\"federation\":\"a\",\"serial\":1,\"sites\":{\"x\":\"?\"},\"signature\":\"\"}")]
    [InlineData("{\"federation\":null,\"serial\":1,\"sites\":{},\"signature\":\"\"}")]
    public void What_is_no_roster_is_refused(string text)
    {
        using ISigningKey root = Suite.CreateSigningKey();
        Assert.Equal("roster.unreadable", Code(() => Roster.Read(Encoding.UTF8.GetBytes(text), root.PublicKey.Span)));
    }

    [Fact]
    public void Names_and_keys_that_are_none_or_shared_are_not_signed()
    {
        using ISigningKey root = Suite.CreateSigningKey(), site = Suite.CreateSigningKey();
        byte[] key = site.PublicKey.ToArray();
        Assert.Equal("roster.name", Code(() => Roster.Sign("heart", 1, [KeyValuePair.Create("a b", key)], root)));
        Assert.Equal("roster.key", Code(() => Roster.Sign("heart", 1, [KeyValuePair.Create("a", new byte[65])], root)));
        Assert.Equal("roster.key", Code(() => Roster.Sign("heart", 1, [KeyValuePair.Create("a", key), KeyValuePair.Create("b", key)], root)));
    }

    [Fact]
    public void A_private_key_is_kept_as_pem()
    {
        using ISigningKey key = Suite.CreateSigningKey();
        string pem = IdentityKeys.ToPem(key);
        using ISigningKey again = IdentityKeys.FromPem(pem, "a.key");
        Assert.Equal(key.PublicKey.ToArray(), again.PublicKey.ToArray());
        foreach (string bad in (string[])["", "text", pem.Replace("PRIVATE", "PUBLIC", StringComparison.Ordinal), pem[..^60] + pem[^40..]])
            Assert.Equal("identity.key", Code(() => IdentityKeys.FromPem(bad, "a.key")));
    }

    private static Roster Signed(ISigningKey root, out byte[] cleveland)
    {
        using ISigningKey first = Suite.CreateSigningKey(), second = Suite.CreateSigningKey();
        cleveland = second.PublicKey.ToArray();
        return Roster.Sign("heart", 7, [KeyValuePair.Create("zurich", first.PublicKey.ToArray()), KeyValuePair.Create("cleveland", cleveland)], root);
    }

    private static string Code(Action read) => Assert.Throws<FedCoreException>(read).Code;
}
