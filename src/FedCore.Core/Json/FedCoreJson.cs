using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using FedCore.Naming;

namespace FedCore.Json;

/// <summary>The JSON of FedCore's files: camel case, strict, and with a <c>type</c> for whatever a registry names.</summary>
public static class FedCoreJson
{
    /// <summary>The property that names a type.</summary>
    public const string Discriminator = "type";

    /// <summary>Options for reading and writing with the names of a registry.</summary>
    /// <param name="registry">The names.</param>
    /// <returns>Read-only options; canonical bytes are what they write: declared order, defaults written, no white space.</returns>
    public static JsonSerializerOptions Options(Registry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        var options = new JsonSerializerOptions
        {
            PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
            UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
            RespectNullableAnnotations = true,
            AllowOutOfOrderMetadataProperties = true,
            NumberHandling = JsonNumberHandling.Strict,
            Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
            TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { info => NameTypes(info, registry) } },
        };
        options.MakeReadOnly();
        return options;
    }

    private static void NameTypes(JsonTypeInfo info, Registry registry)
    {
        IReadOnlyDictionary<string, Type> names = registry.NamesOf(info.Type);
        if (names.Count > 0)
        {
            var polymorphism = new JsonPolymorphismOptions
            {
                TypeDiscriminatorPropertyName = Discriminator,
                UnknownDerivedTypeHandling = JsonUnknownDerivedTypeHandling.FailSerialization,
            };
            foreach ((string name, Type type) in names) polymorphism.DerivedTypes.Add(new JsonDerivedType(type, name));
            info.PolymorphismOptions = polymorphism;
        }

        // Only what can be set is a parameter; computed properties are not part of a file.
        if (info.Kind == JsonTypeInfoKind.Object)
        {
            for (int i = info.Properties.Count - 1; i >= 0; i--)
                if (info.Properties[i].Set is null) info.Properties.RemoveAt(i);
        }
    }
}
