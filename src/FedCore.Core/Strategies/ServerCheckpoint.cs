using System.Runtime.InteropServices;
using FedCore.Models;
using FedCore.Numerics;

namespace FedCore.Strategies;

/// <summary>Writes and reads a server's whole state as one safetensors file: the model's tensors, and the strategy's vectors as <c>strategy/NAME</c>.</summary>
public static class ServerCheckpoint
{
    private const string Prefix = ModelSchema.ReservedPrefix;

    /// <summary>Writes the state.</summary>
    /// <param name="stream">Where to write.</param>
    /// <param name="state">The state.</param>
    /// <param name="metadata">Texts for the file's header.</param>
    public static void Write(Stream stream, ServerState state, IReadOnlyDictionary<string, string> metadata)
    {
        ArgumentNullException.ThrowIfNull(state);
        var tensors = new List<(TensorSchema, SafeTensors.ReadBytes)>();
        foreach (TensorSchema tensor in state.Model.Schema.Tensors)
            tensors.Add((tensor, (offset, count) => state.Model.Bytes(tensor, offset, count)));
        foreach ((string name, FlatVector vector) in state.Vectors)
            tensors.Add((Describe(Prefix + name, vector.Length), (offset, count) => Bytes(vector, offset, count)));
        SafeTensors.Write(stream, tensors, metadata);
    }

    /// <summary>Reads a state that was written for the same model.</summary>
    /// <param name="stream">Where to read.</param>
    /// <param name="state">Receives the values.</param>
    /// <exception cref="FedCoreException">The file is damaged or of another model (<c>model.safetensors</c>).</exception>
    public static void Read(Stream stream, ServerState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        ModelState model = state.Model;
        SafeTensors.Read(
            stream,
            model.Schema.Tensors,
            name => name.StartsWith(Prefix, StringComparison.Ordinal) ? Describe(name, model.Trainable.Length) : model.Schema.Find(name),
            (tensor, offset, count) => tensor.Name.StartsWith(Prefix, StringComparison.Ordinal)
                ? Bytes(state.Vector(tensor.Name[Prefix.Length..]), offset, count)
                : model.Bytes(tensor, offset, count));
    }

    private static TensorSchema Describe(string name, long length) =>
        new(name, new Shape(checked((int)length)), TensorType.F32, TensorRole.Frozen, 0);

    private static Span<byte> Bytes(FlatVector vector, long offset, int count) => MemoryMarshal.AsBytes(vector.Slice(offset / 4, count / 4));
}
