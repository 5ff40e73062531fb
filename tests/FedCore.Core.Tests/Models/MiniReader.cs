using System.Buffers.Binary;
using System.Text;
using System.Text.Json;

namespace FedCore.Core.Tests.Models;

/// <summary>
/// A safetensors reader of its own, from the format's description (github.com/huggingface/safetensors, "Format"): eight bytes little-endian header
/// length N, N bytes of JSON that begin with {, then the byte buffer, to which data_offsets are relative and which has no holes.
/// </summary>
internal sealed class MiniReader
{
    public MiniReader(byte[] file)
    {
        HeaderLength = BinaryPrimitives.ReadUInt64LittleEndian(file);
        Header = Encoding.UTF8.GetString(file, 8, (int)HeaderLength);
        byte[] buffer = file[(8 + (int)HeaderLength)..];
        using JsonDocument document = JsonDocument.Parse(Header);
        foreach (JsonProperty property in document.RootElement.EnumerateObject())
        {
            if (property.Name == "__metadata__")
            {
                Metadata = property.Value.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetString()!);
                continue;
            }

            int[] offsets = [.. property.Value.GetProperty("data_offsets").EnumerateArray().Select(e => e.GetInt32())];
            Tensors[property.Name] = (
                property.Value.GetProperty("dtype").GetString()!,
                [.. property.Value.GetProperty("shape").EnumerateArray().Select(e => e.GetInt32())],
                buffer[offsets[0]..offsets[1]]);
            Ranges.Add((offsets[0], offsets[1]));
        }

        BufferLength = buffer.Length;
    }

    public ulong HeaderLength { get; }

    public string Header { get; }

    public int BufferLength { get; }

    public Dictionary<string, string> Metadata { get; } = [];

    public Dictionary<string, (string Type, int[] Shape, byte[] Bytes)> Tensors { get; } = [];

    public List<(int Begin, int End)> Ranges { get; } = [];
}
