using System.Text;
using System.Text.Json.Nodes;
using FedCore.Aggregator.Models;
using FedCore.Json;
using FedCore.Naming;
using FedCore.Rounds;

namespace FedCore.Aggregator.Runs;

/// <summary>A run's definition. The plan is made when it is wanted: it needs whatever the definition names, plug-ins too, which a run that is over does without.</summary>
/// <param name="Stored">The definition's canonical JSON, in the store.</param>
/// <param name="Rounds">How many rounds there are to be; 0 where the definition cannot be read.</param>
/// <param name="Plan">The plan. Where it cannot be made that is a <see cref="FedCoreException"/>, and it is tried again when it is wanted again.</param>
internal sealed record RunDocument(StoredBlob Stored, int Rounds, Lazy<RunPlan> Plan)
{
    private static readonly UTF8Encoding Utf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>A definition whose plan is made already.</summary>
    public RunDocument(StoredBlob stored, RunPlan plan)
        : this(stored, plan.Definition.Rounds.Count, new Lazy<RunPlan>(plan))
    {
    }

    /// <summary>Whether tasks do not say how many are asked, or in which place. Of a run of which the plan cannot be made nothing is asked.</summary>
    public bool HidesCohorts
    {
        get
        {
            try
            {
                return Plan.Value.Privacy is { HidesCohorts: true };
            }
            catch (FedCoreException)
            {
                return false;
            }
        }
    }

    /// <summary>Finds a definition in the store. One that cannot be read is a fault of the plan's.</summary>
    /// <param name="digest">Its digest.</param>
    /// <param name="blobs">The store.</param>
    /// <param name="registry">The names that may stand in it.</param>
    public static RunDocument Read(string digest, BlobReferences blobs, Registry registry)
    {
        var plan = new Lazy<RunPlan>(() => PlanOf(BytesOf(digest, blobs), registry), LazyThreadSafetyMode.PublicationOnly);
        try
        {
            byte[] json = BytesOf(digest, blobs);
            return new RunDocument(new StoredBlob(digest, json.Length), Parse(json)["rounds"]?["count"]?.GetValue<int>() ?? 0, plan);
        }
        catch (Exception fault) when (fault is FedCoreException or IOException or UnauthorizedAccessException)
        {
            return new RunDocument(new StoredBlob(digest, 0), 0, plan);
        }
    }

    /// <summary>Checks a definition, and makes its plan.</summary>
    /// <exception cref="FedCoreException">It is not as it must be, or names what there is not.</exception>
    public static RunPlan PlanOf(ReadOnlySpan<byte> json, Registry registry) =>
        RunPlan.Create(JsonDocuments.Read<RunDefinition>(Parse(json), registry, "definition"), registry);

    private static JsonObject Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            return JsonDocuments.Parse(Utf8.GetString(json), "definition");
        }
        catch (ArgumentException fault)
        {
            throw FedCoreException.Configuration("run.definition", "The definition is not UTF-8.", fault);
        }
    }

    private static byte[] BytesOf(string digest, BlobReferences blobs)
    {
        using Stream stream = blobs.OpenStream(digest);
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
