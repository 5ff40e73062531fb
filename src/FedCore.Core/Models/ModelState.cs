using System.Runtime.InteropServices;
using System.Security.Cryptography;
using FedCore.Numerics;

namespace FedCore.Models;

/// <summary>The values of a model's tensors. Those of a role are one flat vector; frozen ones have one of their own.</summary>
public sealed class ModelState : IDisposable
{
    private readonly Dictionary<string, FlatVector> _others = new(StringComparer.Ordinal);

    /// <summary>A model of zeros.</summary>
    /// <param name="schema">Its tensors.</param>
    /// <param name="storage">Where its vectors lie, and those that a strategy keeps beside it; null for memory.</param>
    public ModelState(ModelSchema schema, VectorStorage? storage = null)
    {
        ArgumentNullException.ThrowIfNull(schema);
        Schema = schema;
        Storage = storage ?? VectorStorage.Memory;
        try
        {
            Trainable = Storage.Allocate(schema.TrainableCount);
            Local = Storage.Allocate(schema.LocalCount);
            Buffers = Storage.Allocate(schema.BufferCount);
            LocalBuffers = Storage.Allocate(schema.LocalBufferCount);
            foreach (TensorSchema tensor in schema.Tensors)
            {
                if (!ModelSchema.IsFlat(tensor.Type, tensor.Role))
                    _others[tensor.Name] = Storage.Allocate((tensor.Length * tensor.Type.ByteSize() + 3) / 4);
            }
        }
        catch
        {
            // Where the disk is full, what is not needed shall not hold it until somebody collects garbage.
            Dispose();
            throw;
        }
    }

    /// <summary>The tensors.</summary>
    public ModelSchema Schema { get; }

    /// <summary>Where its vectors lie.</summary>
    internal VectorStorage Storage { get; }

    /// <summary>All values that are trained and averaged, in the schema's order.</summary>
    public FlatVector Trainable { get; }

    /// <summary>What clients begin with of the values that are trained and stay with them, in the schema's order.</summary>
    public FlatVector Local { get; }

    /// <summary>All values that are averaged, but not trained, in the schema's order.</summary>
    public FlatVector Buffers { get; }

    /// <summary>What clients begin with of the values that are not trained and stay with them, in the schema's order.</summary>
    public FlatVector LocalBuffers { get; }

    /// <summary>A model with first values as its layers draw them.</summary>
    /// <param name="plan">The model.</param>
    /// <param name="random">Where the numbers come from; tensors draw in order.</param>
    /// <param name="storage">Where its vectors lie; null for memory.</param>
    /// <returns>The state.</returns>
    public static ModelState Initialize(ModelPlan plan, RandomStream random, VectorStorage? storage = null)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var state = new ModelState(plan.Schema, storage);
        for (int i = 0; i < plan.Initializers.Count; i++)
        {
            TensorSchema tensor = plan.Schema.Tensors[i];
            for (long offset = 0; offset < tensor.Length; offset += VectorBlocks.BlockLength)
            {
                int count = (int)Math.Min(VectorBlocks.BlockLength, tensor.Length - offset);
                plan.Initializers[i].Fill(state.Floats(tensor, offset, count), random);
            }
        }

        return state;
    }

    /// <summary>A view of an F32 tensor's values.</summary>
    /// <param name="tensor">A tensor of this schema.</param>
    /// <param name="offset">First element within the tensor.</param>
    /// <param name="count">Number of elements.</param>
    /// <returns>The view.</returns>
    public Span<float> Floats(TensorSchema tensor, long offset, int count)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.Type != TensorType.F32) throw new ArgumentException($"'{tensor.Name}' is {tensor.Type}.", nameof(tensor));
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, tensor.Length - count);
        return VectorOf(tensor).Slice(tensor.Offset + offset, count);
    }

    /// <summary>A view of a tensor's bytes, little-endian.</summary>
    /// <param name="tensor">A tensor of this schema.</param>
    /// <param name="offset">First byte within the tensor.</param>
    /// <param name="count">Number of bytes; offset and count are multiples of 4, but for the last view.</param>
    /// <returns>The view.</returns>
    internal Span<byte> Bytes(TensorSchema tensor, long offset, int count)
    {
        Span<float> words = VectorOf(tensor).Slice(tensor.Offset + offset / 4, (count + 3) / 4);
        return MemoryMarshal.AsBytes(words)[..count];
    }

    /// <summary>A copy with vectors of its own.</summary>
    /// <param name="storage">Where they lie; null for where this model's do.</param>
    /// <returns>The copy.</returns>
    public ModelState Clone(VectorStorage? storage = null)
    {
        var copy = new ModelState(Schema, storage ?? Storage);
        copy.Trainable.CopyFrom(Trainable);
        copy.Local.CopyFrom(Local);
        copy.Buffers.CopyFrom(Buffers);
        copy.LocalBuffers.CopyFrom(LocalBuffers);
        foreach ((string name, FlatVector values) in _others) copy._others[name].CopyFrom(values);
        return copy;
    }

    /// <summary>The SHA-256 of the model's safetensors file with the given metadata, as <c>sha256:</c> and 64 hexadecimal digits.</summary>
    /// <param name="metadata">The file's metadata.</param>
    /// <returns>The digest; <c>sha256sum</c> on the written file gives the same.</returns>
    public string Digest(IReadOnlyDictionary<string, string>? metadata = null)
    {
        using var hash = SHA256.Create();
        using (var stream = new CryptoStream(Stream.Null, hash, CryptoStreamMode.Write)) SafeTensors.Write(stream, this, metadata);
        return "sha256:" + Convert.ToHexStringLower(hash.Hash!);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Trainable?.Dispose();
        Local?.Dispose();
        Buffers?.Dispose();
        LocalBuffers?.Dispose();
        foreach (FlatVector values in _others.Values) values.Dispose();
    }

    private FlatVector VectorOf(TensorSchema tensor) => ModelSchema.IsFlat(tensor.Type, tensor.Role)
        ? tensor.Role switch
        {
            TensorRole.Trainable => Trainable,
            TensorRole.Local => Local,
            TensorRole.Buffer => Buffers,
            _ => LocalBuffers,
        }
        : _others[tensor.Name];
}
