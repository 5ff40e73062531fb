using System.Buffers.Binary;
using System.Text.Json;

namespace FedCore.Models;

/// <summary>
/// Reads and writes models in the safetensors format: eight bytes with the header's length, a JSON header with type, shape and byte range of each
/// tensor, then the bytes, little-endian. Nothing in such a file is executed.
/// </summary>
public static class SafeTensors
{
    /// <summary>The longest header that is read, in bytes; the reference implementation's limit.</summary>
    public const long MaxHeaderBytes = 100_000_000;

    private const int ChunkBytes = 1 << 20;

    /// <summary>Writes all tensors of a model, in the schema's order.</summary>
    /// <param name="stream">Where to write.</param>
    /// <param name="state">The model.</param>
    /// <param name="metadata">Texts for the header's <c>__metadata__</c>.</param>
    public static void Write(Stream stream, ModelState state, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(state);
        Write(stream, [.. state.Schema.Tensors.Select(t => (t, (ReadBytes)((offset, count) => state.Bytes(t, offset, count))))], metadata);
    }

    /// <summary>Reads a model into an existing state. Every tensor of its schema must be there with the same type and shape; others are refused.</summary>
    /// <param name="stream">Where to read; it need not be seekable.</param>
    /// <param name="state">The model that receives the values.</param>
    /// <returns>The file's metadata.</returns>
    /// <exception cref="FedCoreException">The file is not what the format or the schema asks for (<c>model.safetensors</c>).</exception>
    public static IReadOnlyDictionary<string, string> Read(Stream stream, ModelState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        ModelSchema schema = state.Schema;
        return Read(stream, schema.Tensors, schema.Find, (tensor, offset, count) => state.Bytes(tensor, offset, count));
    }

    internal delegate Span<byte> ReadBytes(long offset, int count);

    internal delegate Span<byte> WriteBytes(TensorSchema tensor, long offset, int count);

    internal static void Write(
        Stream stream, IReadOnlyList<(TensorSchema Tensor, ReadBytes Bytes)> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        ArgumentNullException.ThrowIfNull(stream);
        byte[] header = BuildHeader(tensors, metadata);
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        stream.Write(length);
        stream.Write(header);
        foreach ((TensorSchema tensor, ReadBytes bytes) in tensors)
        {
            long total = ByteLength(tensor);
            for (long offset = 0; offset < total; offset += ChunkBytes) stream.Write(bytes(offset, (int)Math.Min(ChunkBytes, total - offset)));
        }
    }

    internal static IReadOnlyDictionary<string, string> Read(
        Stream stream, IReadOnlyList<TensorSchema> required, Func<string, TensorSchema?> find, WriteBytes write)
    {
        ArgumentNullException.ThrowIfNull(stream);
        (List<Entry> entries, Dictionary<string, string> metadata) = ReadHeader(stream);
        HashSet<string> present = [.. entries.Select(entry => entry.Name)];
        foreach (TensorSchema tensor in required)
            if (!present.Contains(tensor.Name)) throw Fault($"has no tensor '{tensor.Name}', which the model needs");

        foreach (Entry entry in entries)
        {
            TensorSchema tensor = find(entry.Name) ?? throw Fault($"has a tensor '{entry.Name}' that the model does not know");
            if (entry.Type != tensor.Type || entry.Shape != tensor.Shape)
                throw Fault($"has '{entry.Name}' as {entry.Type} {entry.Shape}, but the model needs {tensor.Type} {tensor.Shape}");
            long total = ByteLength(tensor);
            for (long offset = 0; offset < total; offset += ChunkBytes)
            {
                Span<byte> chunk = write(tensor, offset, (int)Math.Min(ChunkBytes, total - offset));
                if (stream.ReadAtLeast(chunk, chunk.Length, throwOnEndOfStream: false) < chunk.Length)
                    throw Fault($"ends within tensor '{entry.Name}'; it is truncated, fetch or copy it again");
            }
        }

        if (stream.ReadByte() >= 0) throw Fault("has bytes behind its last tensor");
        return metadata;
    }

    private static byte[] BuildHeader(
        IReadOnlyList<(TensorSchema Tensor, ReadBytes Bytes)> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject("__metadata__");
                foreach ((string key, string value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal)) json.WriteString(key, value);
                json.WriteEndObject();
            }

            long position = 0;
            foreach ((TensorSchema tensor, _) in tensors)
            {
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", tensor.Type.ToString());
                json.WriteStartArray("shape");
                foreach (int extent in tensor.Shape.Extents) json.WriteNumberValue(extent);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(position);
                json.WriteNumberValue(position += ByteLength(tensor));
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        // Spaces at the end align the data, so that a mapped file can be read as floats in place.
        while ((buffer.Length + 8) % 64 != 0) buffer.WriteByte((byte)' ');
        return buffer.ToArray();
    }

    private static (List<Entry> Entries, Dictionary<string, string> Metadata) ReadHeader(Stream stream)
    {
        Span<byte> lengthBytes = stackalloc byte[8];
        if (stream.ReadAtLeast(lengthBytes, 8, throwOnEndOfStream: false) < 8) throw Fault("is shorter than its first eight bytes");
        long length = BinaryPrimitives.ReadInt64LittleEndian(lengthBytes);
        if (length is < 2 or > MaxHeaderBytes) throw Fault($"begins with a header length of {length}, which no safetensors file has");
        byte[] header = new byte[length];
        if (stream.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) < header.Length) throw Fault("ends within its header");

        var entries = new List<Entry>();
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        try
        {
            using JsonDocument document = JsonDocument.Parse(header, new JsonDocumentOptions { AllowDuplicateProperties = false });
            foreach (JsonProperty property in document.RootElement.EnumerateObject())
            {
                if (property.Name == "__metadata__")
                {
                    foreach (JsonProperty pair in property.Value.EnumerateObject()) metadata[pair.Name] = pair.Value.GetString() ?? "";
                }
                else
                {
                    entries.Add(Entry.Parse(property));
                }
            }
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException or FormatException or KeyNotFoundException
            or OverflowException or ArgumentException)
        {
            throw Fault("has a header that is not in the format", fault);
        }

        entries.Sort((a, b) => a.Begin.CompareTo(b.Begin));
        long expected = 0;
        foreach (Entry entry in entries)
        {
            if (entry.Begin != expected) throw Fault($"places tensor '{entry.Name}' at byte {entry.Begin} instead of {expected}");
            expected = entry.End;
        }

        return (entries, metadata);
    }

    private static long ByteLength(TensorSchema tensor) => checked(tensor.Length * tensor.Type.ByteSize());

    private static FedCoreException Fault(string what, Exception? cause = null) =>
        FedCoreException.Configuration("model.safetensors", $"The safetensors file {what}.", cause);

    private sealed record Entry(string Name, TensorType Type, Shape Shape, long Begin, long End)
    {
        public static Entry Parse(JsonProperty property)
        {
            string type = property.Value.GetProperty("dtype").GetString() ?? "";
            if (!Enum.TryParse(type, ignoreCase: false, out TensorType tensorType) || tensorType.ToString() != type)
                throw new FormatException($"unknown element type '{type}'");
            var shape = new Shape([.. property.Value.GetProperty("shape").EnumerateArray().Select(e => e.GetInt32())]);
            JsonElement offsets = property.Value.GetProperty("data_offsets");
            if (offsets.GetArrayLength() != 2) throw new FormatException($"byte range of '{property.Name}'");
            long begin = offsets[0].GetInt64(), end = offsets[1].GetInt64();
            if (end - begin != checked(shape.ElementCount * tensorType.ByteSize()))
                throw new FormatException($"byte range of '{property.Name}'");
            return new Entry(property.Name, tensorType, shape, begin, end);
        }
    }
}
