using System.Text.Json;

namespace FedCore.Hosting.Federation;

/// <summary>The number of the last roster that was here. It outlasts the process, or an old roster could be put in the place of a newer one while none runs.</summary>
/// <param name="path">Its file, which need not be there.</param>
/// <param name="write">Writes a file, whole or not at all, in place of one that may be there.</param>
internal sealed class LastRoster(string path, Action<string, byte[]> write)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { RespectRequiredConstructorParameters = true };

    /// <summary>The number of the last one that a root has signed; 0 for none.</summary>
    /// <param name="root">The root's public key, in base64.</param>
    /// <exception cref="FedCoreException">The file is damaged (<c>roster.last</c>).</exception>
    public long NumberFor(string root)
    {
        if (!File.Exists(path)) return 0;
        try
        {
            Kept kept = JsonSerializer.Deserialize<Kept>(File.ReadAllBytes(path), Json) ?? throw new JsonException("It is null.");
            return kept.Root == root ? kept.Serial : 0;
        }
        catch (JsonException fault)
        {
            throw FedCoreException.Configuration("roster.last", $"{Shown.Of(path, 400)} is damaged ({Shown.Of(fault.Message.TrimEnd('.'), 200)}). Delete it where you are sure that the roster is the newest one.", fault);
        }
    }

    /// <summary>Takes note of a newer one.</summary>
    public void Keep(string root, long serial) => write(path, JsonSerializer.SerializeToUtf8Bytes(new Kept(root, serial), Json));

    private sealed record Kept(string Root, long Serial);
}
