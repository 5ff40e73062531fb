using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using FedCore.Json;
using FedCore.Naming;

namespace FedCore.Rounds;

/// <summary>The facts of a run as JSON, as every journal that outlasts its process keeps them.</summary>
/// <param name="registry">The names of the run's types.</param>
public sealed class RunEventJson(Registry registry)
{
    private static readonly Dictionary<Type, string> Kinds = typeof(RunEvent).GetCustomAttributes<JsonDerivedTypeAttribute>()
        .ToDictionary(attribute => attribute.DerivedType, attribute => (string)attribute.TypeDiscriminator!);

    // A run that diverges leaves a fact with a loss of NaN.
    private readonly JsonSerializerOptions _options = new(FedCoreJson.Options(registry))
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        RespectRequiredConstructorParameters = true,
    };

    /// <summary>What kind of fact it is.</summary>
    /// <param name="fact">A fact.</param>
    /// <returns>The name that its JSON carries too, such as <c>roundOpened</c>.</returns>
    public static string KindOf(RunEvent fact)
    {
        ArgumentNullException.ThrowIfNull(fact);
        return Kinds[fact.GetType()];
    }

    /// <summary>A fact as one line of JSON.</summary>
    /// <param name="fact">The fact.</param>
    /// <returns>UTF-8, without a line break.</returns>
    public byte[] ToUtf8Bytes(RunEvent fact) => JsonSerializer.SerializeToUtf8Bytes(fact, _options);

    /// <summary>A fact as one line of JSON.</summary>
    /// <param name="fact">The fact.</param>
    /// <returns>The line.</returns>
    public string ToJson(RunEvent fact) => JsonSerializer.Serialize(fact, _options);

    /// <summary>Reads a fact.</summary>
    /// <param name="json">What one of the others wrote.</param>
    /// <returns>The fact.</returns>
    /// <exception cref="JsonException">It is not a fact.</exception>
    public RunEvent Parse(string json)
    {
        try
        {
            return JsonSerializer.Deserialize<RunEvent>(json, _options) ?? throw new JsonException("It is null.");
        }
        catch (NotSupportedException fault)
        {
            // No kind, or one that there is not.
            throw new JsonException(fault.Message, fault);
        }
    }
}
