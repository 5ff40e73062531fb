using System.Runtime.InteropServices;
using FedCore.Models;
using FedCore.Numerics;

namespace FedCore.Strategies;

/// <summary>Writes and reads a server's whole state as one safetensors file: the model's tensors, and the strategy's vectors as <c>strategy/NAME</c>.</summary>
public static class ServerCheckpoint
{
    private const string Prefix = ModelSchema.ReservedPrefix, StrategyKey = "fedcore.strategy";

    /// <summary>Writes the state.</summary>
    /// <param name="stream">Where to write.</param>
    /// <param name="state">The state.</param>
    /// <param name="strategy">Whose vectors they are: the strategy's name, and those of its parts.</param>
    /// <param name="metadata">More texts for the file's header.</param>
    public static void Write(Stream stream, ServerState state, string strategy, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(state);
        var tensors = new List<(TensorSchema, SafeTensors.ReadBytes)>();
        foreach (TensorSchema tensor in state.Model.Schema.Tensors)
            tensors.Add((tensor, (offset, count) => state.Model.Bytes(tensor, offset, count)));
        foreach ((string name, FlatVector vector) in state.Vectors)
            tensors.Add((Describe(Prefix + name, vector.Length), (offset, count) => Bytes(vector, offset, count)));
        SafeTensors.Write(stream, tensors, new Dictionary<string, string>(metadata ?? new Dictionary<string, string>()) { [StrategyKey] = strategy });
    }

    /// <summary>Reads a state that was written for the same model and strategy.</summary>
    /// <param name="stream">Where to read.</param>
    /// <param name="state">Receives the values; of no use where the reading fails.</param>
    /// <param name="strategy">The strategy's name, and those of its parts.</param>
    /// <exception cref="FedCoreException">The file is damaged or of another model (<c>model.safetensors</c>), or of another strategy (<c>run.checkpoint</c>).</exception>
    public static void Read(Stream stream, ServerState state, string strategy)
    {
        ArgumentNullException.ThrowIfNull(state);
        ModelState model = state.Model;
        IReadOnlyDictionary<string, string> metadata = SafeTensors.Read(
            stream,
            model.Schema.Tensors,
            name => name.StartsWith(Prefix, StringComparison.Ordinal) ? Describe(name, model.Trainable.Length) : model.Schema.Find(name),
            (tensor, offset, count) => tensor.Name.StartsWith(Prefix, StringComparison.Ordinal)
                ? Bytes(state.Vector(tensor.Name[Prefix.Length..]), offset, count)
                : model.Bytes(tensor, offset, count));
        if (metadata.GetValueOrDefault(StrategyKey) is var written && written != strategy)
        {
            throw FedCoreException.Configuration(
                "run.checkpoint", $"The saved state is of {(written is null ? "no strategy that is named" : $"the strategy {Shown.Of(written)}")}, but the run's strategy is {strategy}. "
                + "Go on with the strategy that it was saved with, or start a new run from the model alone.");
        }
    }

    private static TensorSchema Describe(string name, long length) =>
        new(name, new Shape(checked((int)length)), TensorType.F32, TensorRole.Frozen, 0);

    private static Span<byte> Bytes(FlatVector vector, long offset, int count) => MemoryMarshal.AsBytes(vector.Slice(offset / 4, count / 4));
}
