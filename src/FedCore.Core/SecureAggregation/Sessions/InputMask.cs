using FedCore.SecureAggregation.Masks;

namespace FedCore.SecureAggregation.Sessions;

/// <summary>What hides a client's input from everybody: to be added to it once. For one thread.</summary>
public sealed class InputMask : IDisposable
{
    private readonly MaskSet _masks;

    internal InputMask(MaskSet masks) => _masks = masks;

    /// <summary>Hides the numbers of 64 bits.</summary>
    /// <param name="scalars">All of them.</param>
    public void ApplyToScalars(Span<ulong> scalars) => _masks.ApplyToScalars(scalars);

    /// <summary>Hides words of the vector.</summary>
    /// <param name="first">Which word is the first, a multiple of 4.</param>
    /// <param name="words">The words.</param>
    public void Apply(long first, Span<uint> words) => _masks.Apply(first, words);

    /// <inheritdoc/>
    public void Dispose() => _masks.Dispose();
}
