using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;
using FedCore.Naming;

namespace FedCore.Json;

/// <summary>JSON schemas of FedCore's files, made from the types that read them: limits from their annotations, names from the registry.</summary>
public static class JsonSchemas
{
    /// <summary>The keyword, of no meaning to other readers of the schema, of what an algorithm's paper says of a parameter's value.</summary>
    internal const string PaperKeyword = "x-paper";

    /// <summary>The schema of a type.</summary>
    /// <typeparam name="T">The type, such as a run definition.</typeparam>
    /// <param name="registry">The names that may stand in the file.</param>
    /// <param name="describe">A description for a type or property, or null for none; used for editors, not for checks.</param>
    /// <returns>The schema (draft 2020-12).</returns>
    public static JsonObject For<T>(Registry registry, Func<MemberInfo, string?>? describe = null)
    {
        JsonSerializerOptions options = FedCoreJson.Options(registry);
        var exporter = new JsonSchemaExporterOptions
        {
            TreatNullObliviousAsNonNullable = true,
            TransformSchemaNode = (context, node) => Annotate(context, node, options, describe),
        };
        return options.GetJsonSchemaAsNode(typeof(T), exporter).AsObject();
    }

    private static JsonNode Annotate(
        JsonSchemaExporterContext context, JsonNode node, JsonSerializerOptions options, Func<MemberInfo, string?>? describe)
    {
        if (node is not JsonObject schema) return node;
        if (context.TypeInfo.Kind == JsonTypeInfoKind.Object && !schema.ContainsKey("anyOf")
            && !schema.ContainsKey("$ref"))
        {
            schema["additionalProperties"] = false;
            AddDefaults(schema, context.TypeInfo, options);
        }

        Type plain = Nullable.GetUnderlyingType(context.TypeInfo.Type) ?? context.TypeInfo.Type;
        if (plain == typeof(int)) schema["format"] = "int32";
        else if (plain == typeof(long)) schema["format"] = "int64";

        if (context.PropertyInfo is not { AttributeProvider: MemberInfo member } property)
        {
            if (describe?.Invoke(context.TypeInfo.Type) is { } about && !schema.ContainsKey("description")) schema.Insert(0, "description", about);
            return schema;
        }

        foreach (object attribute in member.GetCustomAttributes(inherit: true)) AddLimits(schema, attribute);
        if (describe?.Invoke(member) is { } text)
        {
            schema.Remove("description");
            schema.Insert(0, "description", text);
        }

        return schema;
    }

    private static void AddLimits(JsonObject schema, object attribute)
    {
        switch (attribute)
        {
            case PaperValueAttribute paper:
                schema[PaperKeyword] = paper.Text;
                break;
            case RangeAttribute range:
                double minimum = Convert.ToDouble(range.Minimum, null), maximum = Convert.ToDouble(range.Maximum, null);
                if (minimum > -1e300) schema[range.MinimumIsExclusive ? "exclusiveMinimum" : "minimum"] = Number(minimum);
                if (maximum is < 1e300 and not int.MaxValue) schema[range.MaximumIsExclusive ? "exclusiveMaximum" : "maximum"] = Number(maximum);
                break;
            case MinLengthAttribute least:
                schema["minItems"] = least.Length;
                break;
            case MaxLengthAttribute most:
                schema["maxItems"] = most.Length;
                break;
            case StringLengthAttribute text:
                schema["minLength"] = text.MinimumLength;
                schema["maxLength"] = text.MaximumLength;
                break;
        }
    }

    // Defaults are the type's own: a property that it inherits may have another one in another type.
    private static void AddDefaults(JsonObject schema, JsonTypeInfo type, JsonSerializerOptions options)
    {
        if (schema["properties"] is not JsonObject properties || type.Type.IsAbstract || type.Type.GetConstructor([]) is null) return;
        object defaults = Activator.CreateInstance(type.Type)!;
        foreach (JsonPropertyInfo property in type.Properties)
        {
            if (property.IsRequired || property.AttributeProvider is not PropertyInfo || properties[property.Name] is not JsonObject node) continue;
            if (property.Get?.Invoke(defaults) is { } value) node["default"] = JsonSerializer.SerializeToNode(value, property.PropertyType, options);
        }
    }

    private static JsonNode Number(double value) => value == Math.Floor(value) && Math.Abs(value) < 1e15 ? (long)value : value;
}
