using System.Globalization;
using FedCore.Models;

namespace FedCore.Strategies;

/// <summary>The tensors that a strategy's vector is in a checkpoint: one, or several where it is longer than a tensor of one extent may be.</summary>
/// <param name="length">Elements of every vector.</param>
/// <param name="longest">Elements of a part, at most.</param>
internal sealed class VectorParts(long length, long longest)
{
    private const string Prefix = ModelSchema.ReservedPrefix;
    private const char Mark = '#';

    private readonly HashSet<string> _taken = new(StringComparer.Ordinal);

    /// <summary>A vector's parts; the offset of each is its first element.</summary>
    public IEnumerable<TensorSchema> Of(string vector)
    {
        for (long index = 0, first = 0; first < length; index++, first += longest) yield return Part(vector, index);
    }

    /// <summary>Whether a tensor is a strategy's.</summary>
    public static bool IsPart(string tensor) => tensor.StartsWith(Prefix, StringComparison.Ordinal);

    /// <summary>The part that a tensor of a file is, which is then taken.</summary>
    /// <returns>The part; null where vectors of this length have none of this name.</returns>
    public TensorSchema? Take(string tensor)
    {
        if (Split(tensor) is not var (vector, index) || string.IsNullOrWhiteSpace(vector) || index > (length - 1) / longest) return null;
        TensorSchema part = Part(vector, index);
        return part.Name == tensor && _taken.Add(tensor) ? part : null;
    }

    /// <summary>The vector that a part is of.</summary>
    public string VectorOf(TensorSchema part) => Split(part.Name)!.Value.Vector;

    /// <summary>The first part that is missing of a vector of which others were taken; null where there is none.</summary>
    public string? FirstMissing() => _taken.SelectMany(tensor => Of(Split(tensor)!.Value.Vector)).FirstOrDefault(part => !_taken.Contains(part.Name))?.Name;

    private bool IsWhole => length <= longest;

    private TensorSchema Part(string vector, long index) => new(
        IsWhole ? Prefix + vector : string.Create(CultureInfo.InvariantCulture, $"{Prefix}{vector}{Mark}{index}"),
        new Shape((int)Math.Min(longest, length - index * longest)), TensorType.F32, TensorRole.Frozen, index * longest);

    // A vector's own name may have a mark in it too, so every part of several has one more.
    private (string Vector, long Index)? Split(string tensor)
    {
        string name = tensor[Prefix.Length..];
        if (IsWhole) return (name, 0);
        int mark = name.LastIndexOf(Mark);
        return mark >= 0 && int.TryParse(name.AsSpan(mark + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int index) ? (name[..mark], index) : null;
    }
}
