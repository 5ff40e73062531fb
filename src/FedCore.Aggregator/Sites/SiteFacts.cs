using System.Text.Json;
using System.Text.Json.Serialization;

namespace FedCore.Aggregator.Sites;

/// <summary>What is kept of sites: the facts of the log's stream <c>sites</c>.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "fact")]
[JsonDerivedType(typeof(SiteAdded), "siteAdded")]
[JsonDerivedType(typeof(TokenReplaced), "tokenReplaced")]
[JsonDerivedType(typeof(SiteIdentified), "siteIdentified")]
internal abstract record SiteFact
{
    /// <summary>The log's stream.</summary>
    public const string Stream = "sites";

    /// <summary>How facts are written.</summary>
    public static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.Web) { RespectRequiredConstructorParameters = true };
}

/// <summary>A site may join.</summary>
/// <param name="Name">Its name.</param>
/// <param name="TokenHash">The hash of its token.</param>
internal sealed record SiteAdded(string Name, string TokenHash) : SiteFact;

/// <summary>A site has another token, or may not join any more. Whoever comes with the new one may have another identity.</summary>
/// <param name="Name">Its name.</param>
/// <param name="TokenHash">The hash of the new token; null for none.</param>
internal sealed record TokenReplaced(string Name, string? TokenHash) : SiteFact;

/// <summary>A site came with its identity.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Key">Its public identity key, in base64.</param>
/// <param name="Roster">The roster by which it knows the others' keys; empty for none.</param>
internal sealed record SiteIdentified(string Name, string Key, string Roster) : SiteFact;
