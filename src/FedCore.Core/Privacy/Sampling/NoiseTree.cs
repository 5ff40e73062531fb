using System.Numerics;

namespace FedCore.Privacy.Sampling;

/// <summary>
/// The nodes of a binary tree over steps whose noise is in the sum of the first of them: a node for each binary digit of their number (Kairouz et al. 2021, appendix B.1; Chan, Shi and
/// Song 2011).
/// </summary>
internal static class NoiseTree
{
    /// <summary>A node, over 2^<paramref name="Level"/> steps.</summary>
    /// <param name="Level">The level, 0 for a leaf.</param>
    /// <param name="Index">Which one of its level, from 0.</param>
    public readonly record struct Node(int Level, int Index);

    /// <summary>The nodes in the sum of the first steps.</summary>
    /// <param name="steps">How many, at least 0.</param>
    public static IEnumerable<Node> Prefix(int steps)
    {
        for (int level = BitOperations.Log2((uint)steps | 1), start = 0; level >= 0; level--)
        {
            if ((steps >> level & 1) == 0) continue;
            yield return new Node(level, start >> level);
            start += 1 << level;
        }
    }

    /// <summary>What changes from one sum to a longer one: whose noise comes, and whose goes.</summary>
    /// <param name="before">Steps of the first.</param>
    /// <param name="after">Steps of the second.</param>
    public static (IReadOnlyList<Node> Added, IReadOnlyList<Node> Removed) Between(int before, int after)
    {
        Node[] first = [.. Prefix(before)], second = [.. Prefix(after)];
        return ([.. second.Except(first)], [.. first.Except(second)]);
    }

    /// <summary>The most node noises that can be in what changes, both ways, up to so many steps.</summary>
    /// <param name="steps">Steps, at least 1.</param>
    public static int MostBetween(int steps) => 2 * (BitOperations.Log2((uint)steps) + 1);
}
