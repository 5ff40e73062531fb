using System.Buffers.Binary;
using FedCore.SecureAggregation.Masks;

namespace FedCore.SecureAggregation.Graphs;

/// <summary>
/// Who is whose neighbour: everybody, or a ring in a random order in which each is tied to the next ones on both sides (a Harary graph, Bell et al. 2020, algorithm 1). The
/// order follows from the advertisements, so that all see the same graph and the aggregator cannot tell clients of different ones. He could still try many sets of
/// advertisements of clients that are his until the order suits him; that he does not is assumed.
/// </summary>
internal sealed class MaskGraph
{
    private readonly int _degree;
    private readonly int[] _order, _places;

    /// <param name="members">How many clients there are.</param>
    /// <param name="degree">Neighbours of each.</param>
    /// <param name="seed">32 bytes that decide the order.</param>
    public MaskGraph(int members, int degree, ReadOnlySpan<byte> seed)
    {
        _degree = degree;
        Members = members;
        IsComplete = degree >= members - 1;
        _order = IsComplete ? [] : Shuffle(members, seed);
        _places = new int[_order.Length];
        for (int place = 0; place < _order.Length; place++) _places[_order[place]] = place;
    }

    public int Members { get; }

    /// <summary>Whether everybody is everybody's neighbour. Then, as in Bonawitz et al. 2017, a client keeps a share of its own secrets too.</summary>
    public bool IsComplete { get; }

    /// <summary>A client's neighbours, ascending.</summary>
    public int[] NeighboursOf(int member)
    {
        if (IsComplete) return [.. Enumerable.Range(0, Members).Where(other => other != member)];
        int[] neighbours = new int[_degree];
        for (int i = 0; i < _degree / 2; i++)
        {
            neighbours[2 * i] = _order[(_places[member] + i + 1) % Members];
            neighbours[2 * i + 1] = _order[(_places[member] + Members - i - 1) % Members];
        }

        Array.Sort(neighbours);
        return neighbours;
    }

    // Sorting by numbers that are drawn for each is a fair shuffle; of 10^6 numbers of 64 bits two are equal in one of 10^7 draws, and then the first goes first.
    private static int[] Shuffle(int members, ReadOnlySpan<byte> seed)
    {
        byte[] bytes = new byte[members * sizeof(ulong)];
        using (var stream = new MaskStream(seed)) stream.Read(0, bytes);
        ulong[] keys = new ulong[members];
        for (int member = 0; member < members; member++) keys[member] = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(member * sizeof(ulong)));
        int[] order = [.. Enumerable.Range(0, members)];
        return [.. order.OrderBy(member => keys[member])];
    }
}
