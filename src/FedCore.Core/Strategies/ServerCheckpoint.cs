using System.Runtime.InteropServices;
using FedCore.Models;
using FedCore.Numerics;

namespace FedCore.Strategies;

/// <summary>
/// Writes and reads a server's whole state as one safetensors file: the model's tensors, and the strategy's vectors as <c>strategy/NAME</c>. A vector of more than 2^30 elements
/// is several tensors, <c>strategy/NAME#0</c> and so on: its length need not be a product of extents that a shape has.
/// </summary>
public static class ServerCheckpoint
{
    private const string StrategyKey = "fedcore.strategy";
    private const long LongestPart = 1 << 30;

    /// <summary>Writes the state.</summary>
    /// <param name="stream">Where to write.</param>
    /// <param name="state">The state.</param>
    /// <param name="strategy">Whose vectors they are: the strategy's name, and those of its parts.</param>
    /// <param name="metadata">More texts for the file's header.</param>
    public static void Write(Stream stream, ServerState state, string strategy, IReadOnlyDictionary<string, string>? metadata = null) =>
        Write(stream, state, strategy, metadata, LongestPart);

    /// <summary>Reads a state that was written for the same model and strategy.</summary>
    /// <param name="stream">Where to read.</param>
    /// <param name="state">Receives the values; of no use where the reading fails.</param>
    /// <param name="strategy">The strategy's name, and those of its parts.</param>
    /// <exception cref="FedCoreException">The file is damaged or of another model (<c>model.safetensors</c>), or of another strategy (<c>run.checkpoint</c>).</exception>
    public static void Read(Stream stream, ServerState state, string strategy) => Read(stream, state, strategy, LongestPart);

    internal static void Write(Stream stream, ServerState state, string strategy, IReadOnlyDictionary<string, string>? metadata, long longest)
    {
        ArgumentNullException.ThrowIfNull(state);
        var tensors = new List<(TensorSchema, SafeTensors.ReadBytes)>();
        foreach (TensorSchema tensor in state.Model.Schema.Tensors)
            tensors.Add((tensor, (offset, count) => state.Model.Bytes(tensor, offset, count)));
        var parts = new VectorParts(state.Model.Trainable.Length, longest);
        foreach ((string name, FlatVector vector) in state.Vectors)
            foreach (TensorSchema part in parts.Of(name)) tensors.Add((part, (offset, count) => Bytes(vector, part, offset, count)));
        SafeTensors.Write(stream, tensors, new Dictionary<string, string>(metadata ?? new Dictionary<string, string>()) { [StrategyKey] = strategy });
    }

    internal static void Read(Stream stream, ServerState state, string strategy, long longest)
    {
        ArgumentNullException.ThrowIfNull(state);
        ModelState model = state.Model;
        var parts = new VectorParts(model.Trainable.Length, longest);
        IReadOnlyDictionary<string, string> metadata = SafeTensors.Read(
            stream,
            model.Schema.Tensors,
            name => VectorParts.IsPart(name) ? parts.Take(name) : model.Schema.Find(name),
            (tensor, offset, count) => VectorParts.IsPart(tensor.Name)
                ? Bytes(state.Vector(parts.VectorOf(tensor)), tensor, offset, count)
                : model.Bytes(tensor, offset, count));
        if (parts.FirstMissing() is { } missing)
            throw FedCoreException.Configuration("model.safetensors", $"The safetensors file has no tensor {Shown.Of(missing)}, but other parts of its vector; it is damaged, fetch or copy it again.");
        if (metadata.GetValueOrDefault(StrategyKey) is var written && written != strategy)
        {
            throw FedCoreException.Configuration(
                "run.checkpoint", $"The saved state is of {(written is null ? "no strategy that is named" : $"the strategy {Shown.Of(written)}")}, but the run's strategy is {strategy}. "
                + "Go on with the strategy that it was saved with, or start a new run from the model alone.");
        }
    }

    private static Span<byte> Bytes(FlatVector vector, TensorSchema part, long offset, int count) =>
        MemoryMarshal.AsBytes(vector.Slice(part.Offset + offset / sizeof(float), count / sizeof(float)));
}
